"""The ImageNet weights of keras.applications: Keras itself names, downloads and checks the file.

    python -m tftransfer.pretrained.imagenet REQUEST.json ANSWER.json

Keras is asked in a process of its own: commands choose devices before they load TensorFlow, and a sweep never does.
"""

import contextlib
import importlib
import json
import os
import pathlib
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tftransfer.cli import command_line
from tftransfer.data.datasets import synsets
from tftransfer.models import catalog, preprocessing
from tftransfer.pretrained.description import IMAGENET, Description
from tftransfer.pretrained.files import digest
from tftransfer.system import atomic, processes, untrusted_files

MODULE = "tftransfer.pretrained.imagenet"


class _LocatedError(Exception):
    """Ends a builder of keras.applications before it reads the file, which is read here without trust."""

    def __init__(self, path: str, url: str) -> None:
        super().__init__(path)
        self.path, self.url = pathlib.Path(path), url


def check_model(model: str) -> None:
    """Raises ValueError unless Keras has ImageNet weights for a model."""
    if model not in catalog.APPLICATIONS:
        raise ValueError(
            f"--pretrained={IMAGENET} goes with the models of keras.applications, such as --model=MobileNetV2 "
            f"(--list names them). Received: --model={model}. For other models use --pretrained=FILE."
        )


def classes() -> tuple[str, ...]:
    """Returns the 1000 WordNet ids of ILSVRC12, in the order of the outputs of keras.applications."""
    return tuple(sorted(synsets.kinds()))


def located(model: str, download: bool = True) -> tuple[pathlib.Path, str]:
    """Returns the file of a model's ImageNet weights in Keras' cache, and its URL.

    Args:
        model: A model of keras.applications.
        download: True downloads the file if it is not there; Keras checks it against its own checksum.

    Raises:
        ValueError: If it is not there and cannot, or must not, be downloaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        request = {"model": model, "download": download}
        answer = processes.ask(MODULE, request, pathlib.Path(folder), shown=True)
    if answer.content is None:
        raise ValueError(
            f"The process that asks Keras for the ImageNet weights of {model} ended without an answer"
            f"{f', {answer.reason}' if answer.reason else ''}. Use --pretrained=FILE."
        )
    if "error" in answer.content:
        raise ValueError(answer.content["error"])
    return pathlib.Path(answer.content["path"]), answer.content["url"]


def main(argv: Sequence[str]) -> None:
    """Answers a request for the file of a model's weights with its path and URL, or with what went wrong."""
    request = untrusted_files.read_json(argv[1])
    try:
        path, url = asked_of_keras(request["model"], request["download"])
        answer = {"path": str(path), "url": url}
    except ValueError as error:
        answer = {"error": str(error)}
    atomic.write_text(pathlib.Path(argv[2]), json.dumps(answer))


def asked_of_keras(model: str, download: bool = True) -> tuple[pathlib.Path, str]:
    """Returns what `located` does; loads Keras into this process."""
    with command_line.suppress_stderr():
        keras = importlib.import_module("keras")
    with _stopped_at_its_file(download):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about image sizes, which only a head would need
                # With the head, which VGG's blocks fc1 and fc2 and MobileNetV3's conv_2 belong to.
                getattr(keras.applications, model)(weights=IMAGENET, include_top=True)
        except _LocatedError as file:
            return file.path, file.url
    raise ValueError(f"Keras {keras.__version__} asked for no file of ImageNet weights for {model}. Use FILE instead.")


@contextlib.contextmanager
def _stopped_at_its_file(download: bool) -> Iterator[None]:
    """Lets builders of keras.applications fetch their file of weights, and stops them before they read it."""
    file_utils = importlib.import_module("keras.src.utils.file_utils")
    fetch = file_utils.get_file

    def stop(name: str, url: str, *arguments: Any, **options: Any) -> None:
        raise _LocatedError(_fetched(fetch, download, name, url, *arguments, **options), url)

    file_utils.get_file = stop
    try:
        yield
    finally:
        file_utils.get_file = fetch


def _fetched(fetch: Callable[..., str], download: bool, name: str, url: str, *arguments: Any, **options: Any) -> str:
    """Returns the path of a file in Keras' cache; raises ValueError, with what to do, if it cannot be had."""
    home = importlib.import_module("keras.src.backend.config").keras_home()
    folder = os.path.join(os.path.expanduser(home), options.get("cache_subdir", "models"))
    remedy = (
        f"Keras looks for {name} in {folder} (KERAS_HOME sets another folder than ~/.keras). Put it there from {url}, "
        f"or use --pretrained=FILE"
    )
    if not download and not os.path.exists(os.path.join(folder, name)):
        raise ValueError(f"--dry_run downloads nothing, and the ImageNet weights are not here yet. {remedy}.")
    try:
        return str(fetch(name, url, *arguments, **options))
    except Exception as error:  # Keras raises a plain Exception without network, ValueError for a wrong checksum
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"The ImageNet weights cannot be downloaded: {reason}. {remedy}.") from error


def described(model: str, path: pathlib.Path, url: str, image_size: int) -> Description:
    """Returns what is known of a file of ImageNet weights without a look into it.

    Args:
        model: A model of keras.applications.
        path: The file.
        url: Where Keras has it from.
        image_size: Side of the images in pixels.
    """
    names = classes()
    return Description(
        model=model,
        architecture=None,
        image_size=image_size,
        classes=len(names),
        trained_on=names,
        pixel_scale=None,
        layers={},
        unused=(),
        sha256=digest(path),
        bytes=path.stat().st_size,
        provenance=f"keras.applications.{model}(weights={IMAGENET!r}), {url}",
        preprocessing=preprocessing.of_application(model),
    )


if __name__ == "__main__":
    command_line.main(main)
