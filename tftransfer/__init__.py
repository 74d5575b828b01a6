"""Measures, block by block, how transferable the features of a network are (Yosinski et al. 2014).

    python -m tftransfer.run --treatment=BnB --n=4

From Python:

    tftransfer.transplant(source, target, n=4, frozen=True)  # or n="conv4"
    tftransfer.load("runs/<study>/<network>")
    tftransfer.preprocessing("runs/<study>/<network>")
    tftransfer.models.AlexNet(input_shape=(227, 227, 3), classes=1000)

Names are resolved on first use: importing the package costs nothing, and TensorFlow is loaded only when it is needed.
"""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["load", "models", "preprocessing", "transplant"]

_HOMES = {
    "transplant": "tftransfer.transfer",
    "load": "tftransfer.training.weights",
    "preprocessing": "tftransfer.records.inputs",
}


def __getattr__(name: str) -> Any:
    """Returns the object of a public name, importing its module on first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name == "models":
        return importlib.import_module("tftransfer.models")
    raise AttributeError(f"module 'tftransfer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
