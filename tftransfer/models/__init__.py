"""Architectures as tables read by one builder, their layers, their blocks, and their copies.

Names are resolved on first use, so that `tftransfer.models.catalog` does not import Keras.
"""

import importlib

_HOMES = {
    "AlexNet": "alexnet",
    "GroupedConv2D": "layers",
    "LocalResponseNormalization": "layers",
    "ReplicaDropout": "layers",
}

__all__ = [
    # the interface of users
    "AlexNet",
    "GroupedConv2D",
    "LocalResponseNormalization",
    "ReplicaDropout",
    # modules for other packages
    "alexnet_tables",
    "architectures",
    "blocks",
    "catalog",
    "cloning",
    "costs",
    "keras_settings",
    "layers",
    "options",
]  # fmt: skip


def __getattr__(name: str):
    """Imports the module that holds `name` and returns the object."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
