"""Keras' own settings, which ~/.keras/keras.json, KERAS_HOME and the environment of a user set.

They change the result of a recipe and stand in no record. So everything that builds, trains or evaluates here does it
under the settings below and then restores the user's: users who only import our builders keep their own.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

EPSILON = 1e-7  # Keras' own default, as are the others
IMAGE_DATA_FORMAT = "channels_last"
_SETTINGS = ("floatx", "epsilon", "image_data_format", "max_epochs", "max_steps_per_epoch", "dtype_policy")


@contextlib.contextmanager
def package_defaults(dtype_policy: str) -> Iterator[None]:
    """Sets Keras' defaults and a dtype policy inside a `with` block.

    Args:
        dtype_policy: Name of the policy; under float64, floatx is float64 as well.
    """
    floatx = "float64" if dtype_policy == "float64" else "float32"
    ours = dict(zip(_SETTINGS, (floatx, EPSILON, IMAGE_DATA_FORMAT, None, None, dtype_policy), strict=True))
    before = {name: getattr(keras.config, name)() for name in _SETTINGS if hasattr(keras.config, name)}
    _set({name: ours[name] for name in before})
    try:
        yield
    finally:
        _set(before)


def _set(values: dict[str, Any]) -> None:
    for name, value in values.items():
        getattr(keras.config, f"set_{name}")(value)
