"""What the package is, and what it needs.

Versions are floors; there are no ceilings, so that users can combine tftransfer with what they have.
"""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "tftransfer/__init__.py").read_text(encoding="utf-8"))[1]

REPORT = [
    "jinja2>=3.1.6",
    "matplotlib>=3.10.7",  # older ones warn of themselves with a new pyparsing
    "pandas>=3.0",
    "scipy>=1.16",
]
WEIGHTS = ["safetensors>=0.6.2"]  # files .safetensors for --pretrained
TUNE = ["keras-tuner[bayesian]>=1.4.8"]
DOCS = ["mkdocs>=1.6", "mkdocs-material>=9.6", "mkdocstrings[python]>=0.29"]

setup(
    name="tftransfer",
    version=VERSION,
    description="Measures, block by block, how transferable the features of a neural network are (Keras, TensorFlow)",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",  # the floor of Keras 3.15
    packages=[*find_packages(include=["tftransfer", "tftransfer.*"]), "tftransfer.flags"],
    package_dir={"tftransfer.flags": "flags"},  # recipes are found by name wherever the package is installed
    package_data={
        "tftransfer": ["py.typed", "*.pyi"],
        "tftransfer.flags": ["*.flags"],
        "tftransfer.data.datasets": ["*.csv"],
        "tftransfer.advising": ["templates/*.j2"],
        "tftransfer.analysis": ["data/*.csv"],  # the paper's published results
        "tftransfer.reporting": ["templates/*.j2"],
        "tftransfer.tensorboard_plugin": ["static/*"],
    },
    entry_points={
        "console_scripts": ["tftransfer = tftransfer.__main__:main"],
        "tensorboard_plugins": ["tftransfer = tftransfer.tensorboard_plugin:TransferPlugin"],
    },
    install_requires=[
        "absl-py>=2.3",
        "filelock>=3.20.3",  # older ones follow symbolic links (CVE-2025-68146, CVE-2026-22701)
        "h5py>=3.14",  # what TensorFlow 2.21 allows at most
        "importlib_resources>=6.0",  # tensorflow-datasets needs it to prepare a set, and does not ask for it
        "keras>=3.15.1",  # older ones have flaws in loading files
        "numpy>=2.1",
        "pillow>=13.0",  # older ones write out of bounds on crafted images (CVE-2026-96639, GHSA-5x8w-8jj5-q52h)
        "psutil>=7.0",
        "rich>=14.0",
        "tensorboard>=2.21",  # 2.20 fails with new setuptools
        "tensorflow>=2.21",
        "tensorflow-datasets>=4.9.10",
    ],
    extras_require={
        "all": [*REPORT, *WEIGHTS, *TUNE],
        "docs": DOCS,
        "gpu": ["tensorflow[and-cuda]>=2.21"],  # NVIDIA's libraries, on Linux
        "report": REPORT,
        "test": [
            "hypothesis>=6.150",
            "ipykernel>=6.29",
            "keras-tuner>=1.4.8",
            "nbclient>=0.10",
            "pytest>=9.0",
            "pytest-xdist>=3.8",
            "selenium>=4.40",
            *REPORT,
            *WEIGHTS,
        ],
        "lint": ["ruff>=0.14"],
        "ray": ["ray>=2.49"],  # older ones cannot keep tasks away from named nodes (label selectors)
        "tune": TUNE,
        "weights": WEIGHTS,
    },
    classifiers=[
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
