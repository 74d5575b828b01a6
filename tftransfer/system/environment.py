"""On what a network was trained: versions and machine. No names of hosts, users or folders."""

import contextlib
import importlib.metadata
import os
import pathlib
import platform
from collections.abc import Iterable
from typing import Any

_PACKAGES = ("tftransfer", "tensorflow", "keras", "numpy", "tensorboard", "tensorflow-datasets", "absl-py", "pillow")
_THREADS = {"intra_op": "TF_NUM_INTRAOP_THREADS", "inter_op": "TF_NUM_INTEROP_THREADS"}
# Of those that TensorFlow, oneDNN, XLA and CUDA's libraries read, the ones that choose how something is computed.
_SETTINGS = (
    "TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE", "TF_XLA_FLAGS", "XLA_FLAGS", "TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC",
    "TF_CUDNN_USE_AUTOTUNE", "TF_CUDNN_USE_FRONTEND", "TF_USE_CUBLASLT", "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS",
)  # fmt: skip
_VECTORS = ("avx", "fma", "amx", "sse4", "asimd", "sve")


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that matter."""
    return {"python": platform.python_version()} | versions_of(_PACKAGES)


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Returns the versions of those packages that are installed."""
    found = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def usable_cores() -> int:
    """Number of cores that this process may use, which is how many threads libraries start by themselves."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> dict[str, int]:
    """Returns in how many threads TensorFlow does one operation, and operations side by side."""
    return {kind: _number(os.environ.get(name)) or usable_cores() for kind, name in _THREADS.items()}


def settings() -> dict[str, str]:
    """Returns the variables of the environment that change the code which computes, without paths in them."""
    found = {name: os.environ[name] for name in _SETTINGS if os.environ.get(name)}
    return {
        name: " ".join(word for word in value.split() if not set(word) & {"/", "\\"}) for name, value in found.items()
    }


def instructions() -> str:
    """Returns the vector instructions of this processor, by which libraries choose their code; empty if unknown."""
    for line in _cpuinfo():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return " ".join(sorted(word for word in value.split() if word.startswith(_VECTORS)))
    return ""


def _number(text: str | None) -> int:
    """Returns a number of threads; 0 for none, or for what TensorFlow cannot read either."""
    try:
        return max(0, int(text or 0))
    except ValueError:
        return 0


def _cpuinfo() -> list[str]:
    """Returns what Linux says of the processors."""
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return []


def machine() -> dict[str, Any]:
    """Returns what kind of machine this is."""
    model = platform.processor() or platform.machine()
    model = next((line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), model)
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }
