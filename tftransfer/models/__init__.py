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
    "archive",
    "blocks",
    "catalog",
    "cloning",
    "costs",
    "in_hand",
    "keras_settings",
    "layers",
    "options",
    "preprocessing",
    "shortened",
]  # fmt: skip


def __getattr__(name: str):
    """Returns a public object, or a module for other packages, importing it on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES.get(name, name)}")
    value = getattr(module, name) if name in _HOMES else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
