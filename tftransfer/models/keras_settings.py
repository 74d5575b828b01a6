"""Keras' own settings, which ~/.keras/keras.json, KERAS_HOME and the environment of a user decide.

They change what a recipe gives, and no record tells of them. So all that builds, trains or evaluates here does it under
the settings below, whatever the user's are, and puts those back: who only imports our builders keeps his own.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

EPSILON = 1e-7  # Keras' own default, as are the others
IMAGE_DATA_FORMAT = "channels_last"
_SETTINGS = ("floatx", "epsilon", "image_data_format", "max_epochs", "max_steps_per_epoch", "dtype_policy")


@contextlib.contextmanager
def of_ours(dtype_policy: str) -> Iterator[None]:
    """Sets for a while what the package trains with: Keras' defaults, and a dtype policy.

    Args:
        dtype_policy: Name of the policy; under float64 all that has no type of its own is float64, too.
    """
    floatx = "float64" if dtype_policy == "float64" else "float32"
    wanted = dict(zip(_SETTINGS, (floatx, EPSILON, IMAGE_DATA_FORMAT, None, None, dtype_policy), strict=True))
    before = {name: getattr(keras.config, name)() for name in _SETTINGS if hasattr(keras.config, name)}
    _set({name: wanted[name] for name in before})
    try:
        yield
    finally:
        _set(before)


def _set(values: dict[str, Any]) -> None:
    for name, value in values.items():
        getattr(keras.config, f"set_{name}")(value)
