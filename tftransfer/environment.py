"""On what a network was trained: versions and machine. No names of hosts, users or folders."""

import contextlib
import importlib.metadata
import os
import pathlib
import platform
from collections.abc import Iterable
from typing import Any

_PACKAGES = ("tftransfer", "tensorflow", "keras", "numpy", "tensorboard", "tensorflow-datasets", "absl-py", "pillow")


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


def machine() -> dict[str, Any]:
    """Returns what kind of machine this is."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }
