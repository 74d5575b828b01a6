"""Versions and machine on which a network was trained, without names of hosts, users or folders."""

import contextlib
import importlib.metadata
import os
import pathlib
import platform
from collections.abc import Iterable
from typing import Any

_PACKAGES = ("tftransfer", "tensorflow", "keras", "numpy", "tensorboard", "tensorflow-datasets", "absl-py", "pillow")
_THREADS = {"intra_op": "TF_NUM_INTRAOP_THREADS", "inter_op": "TF_NUM_INTEROP_THREADS"}
# Variables of TensorFlow, oneDNN, XLA and CUDA's libraries that choose how something is computed.
_SETTINGS = (
    "TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE", "TF_XLA_FLAGS", "XLA_FLAGS", "TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC",
    "TF_CUDNN_USE_AUTOTUNE", "TF_CUDNN_USE_FRONTEND", "TF_USE_CUBLASLT", "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS",
)  # fmt: skip
_VECTORS = ("avx", "fma", "amx", "sse4", "asimd", "sve")


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that decide results, by name."""
    return {"python": platform.python_version()} | versions_of(_PACKAGES)


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Returns the versions of the packages that are installed, by name."""
    installed = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed[package] = importlib.metadata.version(package)
    return installed


def usable_cores() -> int:
    """Returns the number of cores that this process may use, and so of threads that libraries start by default."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> dict[str, int]:
    """Returns TensorFlow's numbers of threads: `intra_op` within an operation, `inter_op` for several of them."""
    return {kind: _number(os.environ.get(name)) or usable_cores() for kind, name in _THREADS.items()}


def settings() -> dict[str, str]:
    """Returns the environment variables that change how results are computed, without paths in them."""
    values = {name: os.environ[name] for name in _SETTINGS if os.environ.get(name)}
    return {
        name: " ".join(word for word in value.split() if not set(word) & {"/", "\\"}) for name, value in values.items()
    }


def instructions() -> str:
    """Returns the processor's vector instructions, by which libraries choose their code; empty if unknown."""
    for line in _cpuinfo():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return " ".join(sorted(word for word in value.split() if word.startswith(_VECTORS)))
    return ""


def _number(text: str | None) -> int:
    """Returns a number of threads; 0 for none, or for a text that TensorFlow cannot read either."""
    try:
        return max(0, int(text or 0))
    except ValueError:
        return 0


def _cpuinfo() -> list[str]:
    """Returns the lines of Linux' /proc/cpuinfo; none on other systems."""
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return []


def machine() -> dict[str, Any]:
    """Returns system, processor, number of cores and memory in GiB of this machine."""
    model = platform.processor() or platform.machine()
    model = next((line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), model)
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }
