"""Objects in hand as options: models, images in arrays, folders, functions of a notebook, results."""

import dataclasses
import inspect
import os
import pathlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tftransfer.calls import keywords
from tftransfer.cli import command_line
from tftransfer.data import datasets
from tftransfer.experiment import image_options, prepared_images
from tftransfer.experiment.config import Config

_MAIN = "__main__:"
_OF_PLACE = ("dataset", "data_dir", "image_size", "cache_dir", keywords.FLAGFILE)  # decide the images' size, the cache
# Options that name a data set, and its folder.
_DATASETS = {"dataset": "data_dir", "source_dataset": "source_dir"}


def replaced(config_class: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options in which objects have become names, files and folders.

    - `model`: a `keras.Model`, of which the architecture counts, or a function `build(input_shape, classes)`, also of a
      notebook and as "__main__:build". They become a file named after their content below `cache_dir`.
    - `pretrained`: a `keras.Model` whose weights are the source; its architecture is `model` where that is not given.
      True stands for the model of `model`.
    - `dataset`, `source_dataset`: a folder with an image folder per class, `(images, labels)`, a `tf.data.Dataset` of
      such pairs, or a function that returns one of these, also as "__main__:load".
    - Results, such as a `Study`, stand for their folders.

    Raises:
        ValueError: If an object cannot be used, with the reason.
    """
    found = {name: _folder_of(value) for name, value in options.items() if value is not None}
    names = {field.name for field in dataclasses.fields(config_class)}
    for name, place in _DATASETS.items():
        if name in found and name in names:
            _replace_dataset(found, name, place)
    if "model" in names:
        _replace_models(found, "pretrained" in names)
    return found


def _folder_of(value: Any) -> Any:
    """Returns the folder of a result, other values as they are."""
    from tftransfer.results import Record, Study

    if isinstance(value, Study):
        return str(value.folder or value.name)
    return str(value.folder) if isinstance(value, Record) else value


def _of_main(value: Any) -> Any:
    """Returns the object that `__main__:name` stands for, other values as they are.

    Raises:
        ValueError: If there is no such function in the notebook or program.
    """
    if not isinstance(value, str) or not value.startswith(_MAIN):
        return value
    name = value.removeprefix(_MAIN)
    function = getattr(sys.modules["__main__"], name, None)
    if not callable(function):
        raise ValueError(f"There is no function {name} in this notebook or program. Received: {value!r}")
    return function


def _replace_models(found: dict[str, Any], takes_weights: bool) -> None:
    """Puts files in the place of models and functions that make them."""
    if takes_weights and _is_model(found.get("pretrained")):
        found.setdefault("model", found["pretrained"])
    if "model" not in found:
        return
    model = _of_main(found["model"])
    if inspect.isfunction(model) and _is_importable(model):
        found["model"] = f"{model.__module__}:{model.__name__}"
        return
    if not _is_model(model) and not callable(model):
        found["model"] = model
        if found.get("pretrained") is True:
            raise ValueError(
                "pretrained=True stands for the weights of model=, which must be a keras.Model then. Give the file of "
                f"the weights. Received: model={model!r}"
            )
        return
    with command_line.suppress_stderr():
        from tftransfer.models import in_hand

    config = _place(found)
    model = model if _is_model(model) else in_hand.of_function(model, config.input_size)
    folder = pathlib.Path(prepared_images.cache_folder(config)) / "models"
    found["model"] = in_hand.save(model, folder, with_weights=False)
    side = in_hand.side_of(model)
    if side and keywords.FLAGFILE not in found:
        found.setdefault("image_size", side)
    weights = model if found.get("pretrained") is True else found.get("pretrained")
    if takes_weights and _is_model(weights):
        found["pretrained"] = in_hand.save(weights, folder, with_weights=True)


def _place(found: Mapping[str, Any]) -> Config:
    """Returns the options that decide the size of images and the place of the cache."""
    words = keywords.words(Config, {name: found[name] for name in _OF_PLACE if name in found})
    return image_options.resolve(command_line.parse(Config, words, "")[0], say=lambda line: None)


def _is_model(value: Any) -> bool:
    """Whether a value is a Keras model; Keras need not be loaded to know that it is none."""
    return "keras" in sys.modules and isinstance(value, sys.modules["keras"].Model)


def _is_importable(function: Callable[..., Any]) -> bool:
    """Whether another process finds a function by its module and name: in the working folder, or installed."""
    module = sys.modules.get(function.__module__)
    path = getattr(module, "__file__", None)
    if function.__module__ == "__main__" or path is None or getattr(module, function.__name__, None) is not function:
        return False
    top = pathlib.Path(path).resolve().parents[function.__module__.count(".") + (pathlib.Path(path).stem == "__init__")]
    places = [os.getcwd(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    installed = any(part in ("site-packages", "dist-packages") for part in top.parts)
    return installed or any(top == pathlib.Path(place).resolve() for place in places if place)


def _replace_dataset(found: dict[str, Any], name: str, place: str) -> None:
    """Puts a data set's name and folder in the place of images in hand."""
    value = _of_main(found[name])
    if callable(value) and not hasattr(value, "as_numpy_iterator"):
        value = value()
    if isinstance(value, str) and (value in datasets.OWN_DATASETS or not os.path.isdir(value)):
        found[name] = value
        return
    if place in found:
        raise ValueError(f"{name} is itself where the images are. Leave {place} out. Received: {found[place]!r}")
    if isinstance(value, str | os.PathLike):
        found[name], found[place] = "folder", os.fspath(value)
        return
    if isinstance(value, Mapping) or not (isinstance(value, tuple | list) or hasattr(value, "as_numpy_iterator")):
        raise ValueError(
            f"{name} takes a name, a folder, (images, labels), a tf.data.Dataset of such pairs, or a function that "
            f"returns one of these. Received: {type(value).__name__}"
        )
    from tftransfer.calls import images

    root = prepared_images.cache_folder(_place({key: found[key] for key in _OF_PLACE[3:] if key in found}))
    found[name], found[place] = "arrays", images.kept(value, root)
