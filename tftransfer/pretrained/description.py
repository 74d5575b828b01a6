"""The description beside pretrained weights, FILE.json: their network, the place of each array, their provenance.

docs/pretrained_weights.md describes the format for people.
"""

import dataclasses
import json
import math
import os
import pathlib
import re
import stat
from collections.abc import Callable, Mapping
from typing import Any

from tftransfer.models.preprocessing import BGR, MODES, PIXELS, RGB, Preprocessing
from tftransfer.system import atomic, untrusted_files

FORMAT = 2
IMAGENET = "imagenet"
"""The value of --pretrained that names no file: the weights that keras.applications downloads."""
KERAS, SAFETENSORS, LEGACY, ARCHIVE = ".weights.h5", ".safetensors", ".h5", ".keras"
BYTES = {"float32": 4, "int32": 4, "int64": 8}
"""Types of weights, and the bytes of one number."""
_MOST_BYTES = 2**24  # of a description; one of a network with 1000 layers has 2**18
_MOST_TIMES, _BYTES_BESIDE = 4, 2**26  # limits of the file, which is read as a whole; it may also hold some states
_MOST_CLASSES = 10_000_000
_WORDNET_ID = re.compile(r"n\d{8}")
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Array:
    """One weight of a layer.

    Attributes:
        name: Its place in the file: a path inside HDF5, a key of safetensors.
        shape: Its shape.
        dtype: A key of `BYTES`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return math.prod(self.shape) * BYTES[self.dtype]

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


@dataclasses.dataclass(frozen=True)
class Description:
    """The content of the description of a file of weights.

    Attributes:
        model: Name of the architecture, a value of --model.
        architecture: SHA-256 of the architecture with two classes; None for our own, which name and shapes define.
        image_size: Side of its images in pixels.
        classes: Number of classes of its training; None if unknown.
        trained_on: Their names; None if unknown.
        pixel_scale: Factor on pixels (0 to 255 less the mean of its training images); None if the model gets pixels
            from 0 to 255 and scales them itself, or `preprocessing` says what it gets.
        layers: Weights by layer name, in the order in which Keras lists them; empty if the file has no description, so
            that Keras must be asked for their places.
        unused: Names of arrays in the file which are no weights, such as the states of random generators.
        sha256: SHA-256 of the file.
        bytes: Size of the file.
        provenance: Text for people: authors, data, licence.
        preprocessing: The input that it knows; None if `pixel_scale` says it.
    """

    model: str
    architecture: str | None
    image_size: int
    classes: int | None
    trained_on: tuple[str, ...] | None
    pixel_scale: float | None
    layers: Mapping[str, tuple[Array, ...]]
    unused: tuple[str, ...]
    sha256: str
    bytes: int
    provenance: str
    preprocessing: Preprocessing | None = None

    @property
    def input(self) -> str:
        """The input that it knows, as `models.preprocessing` reads it; `none` would mean more to some models."""
        known = self.preprocessing
        if known is None:
            return PIXELS
        return known.numbers if known == MODES["none"] else known.text

    def classes_in(self, names: tuple[str, ...]) -> frozenset[int] | None:
        """Returns the indices of the classes of a data set that it has seen, by their names; None if unknown.

        Case, "_" and "-" make no difference. Two lists without a common name may be of different vocabularies ("tabby
        cat", "n02123045"), so that nothing is known, unless both are of WordNet ids.
        """
        if self.trained_on is None:
            return None
        known = {_plain(name) for name in self.trained_on}
        seen = frozenset(index for index, name in enumerate(names) if _plain(name) in known)
        comparable = seen or all(_WORDNET_ID.fullmatch(name) for name in (*names, *self.trained_on))
        return seen if comparable else None

    def write(self, path: pathlib.Path) -> None:
        """Writes it beside the file of weights `path`; raises ValueError if `read` would refuse it."""
        text = json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=1) + "\n"
        fault = _fault(json.loads(text))
        if fault:
            raise ValueError(f"{path} cannot be described: {fault}.")
        atomic.write_text(beside(path), text)


def _plain(name: str) -> str:
    return " ".join(re.sub("[_-]", " ", name.casefold()).split())


def beside(path: pathlib.Path) -> pathlib.Path:
    """Returns the path of the description of the weights `path`."""
    return path.with_name(f"{path.name}.json")


def suffix_fault(path: str) -> str | None:
    """Returns the expected kind of path if `path` is none of a file of weights; None if it is one."""
    if "\0" in path:
        return "a path without NUL characters"
    if not path or path == IMAGENET or path.endswith((LEGACY, SAFETENSORS, ARCHIVE)):
        return None
    near = f" (for a file of that name: ./{path}{KERAS})" if path.lower() == IMAGENET else ""
    return f"{IMAGENET}, or FILE{KERAS}, FILE{LEGACY}, FILE{ARCHIVE} or FILE{SAFETENSORS}{near}"


def export_fault(path: str) -> str | None:
    """Returns the expected kind of path if weights cannot be written to `path`; None if they can, or it is empty."""
    fine = not path or (path.endswith((KERAS, SAFETENSORS)) and "\0" not in path)
    return None if fine else f"FILE{KERAS} or FILE{SAFETENSORS}"


def file_fault(path: str) -> str | None:
    """Returns the expected kind of path if `path` is none of a file of weights; None if it is one, or empty."""
    if path == IMAGENET:
        return "a file of weights; those that keras.applications downloads need no description"
    return suffix_fault(path)


def size_of(path: pathlib.Path) -> int:
    """Returns the size in bytes of a regular file, or of the one that a symbolic link leads to.

    Raises:
        ValueError: If there is none, or only a device or pipe, which may never end.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        missing = f" `python -m tftransfer.describe` makes {path.name}." if path.suffix == ".json" else ""
        raise ValueError(f"Cannot read {path}: {error.strerror}.{missing}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is no regular file but a pipe, a device or a folder, which cannot be used.")
    return status.st_size


def read(path: pathlib.Path) -> Description:
    """Returns the description beside the weights `path`.

    Raises:
        ValueError: If it is missing, damaged or contradicts itself, with the field.
    """
    origin = beside(path)
    size_of(origin)  # its message has the remedy if there is none
    try:
        content = untrusted_files.read_json(origin, _MOST_BYTES)
    except ValueError as error:
        raise ValueError(
            f"The description {origin} is no JSON, so it cannot be used: {str(error)[:200]}. "
            f"docs/pretrained_weights.md has the format."
        ) from error
    except OSError as error:
        raise ValueError(f"Cannot read {origin}: {error.strerror}.") from error
    fault = _fault(content)
    if fault:
        raise ValueError(
            f"The description {origin} cannot be used: {fault}. docs/pretrained_weights.md has the format."
        )
    return _parsed(content)


def shown(value: Any) -> str:
    """Returns a value from an untrusted file for a message: short, and without control characters."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_whole(value: Any, low: int, high: int = 2**62) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_scale(value: Any) -> bool:
    return value is None or (isinstance(value, float | int) and not isinstance(value, bool) and 0 < value < 1e6)


def _is_preprocessing(value: Any) -> bool:
    """Whether a value is null or an affine map of channels."""
    if not isinstance(value, dict):
        return value is None
    if set(value) != {"mean", "scale", "order"} or value["order"] not in (RGB, BGR):
        return False
    rows = value["mean"], value["scale"]
    if not all(isinstance(row, list) and len(row) == 3 and all(map(_is_number, row)) for row in rows):
        return False
    try:
        Preprocessing(**value)
    except (ValueError, OverflowError):
        return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def _is_text(value: Any, longest: int = 1000) -> bool:
    """Whether a value is a text that is not blank and can be encoded."""
    fine = isinstance(value, str) and len(value.strip()) > 0 and len(value) <= longest
    return fine and not any(0xD800 <= ord(c) < 0xE000 for c in value)


def _is_name(value: Any) -> bool:
    """Whether a value is a name inside a file: printable, emoji included, and without `.` and `..` as parts."""
    return _is_text(value) and value.isprintable() and not {"", ".", ".."} & set(value.split("/"))


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(_is_name(name) for name in value) and len(set(value)) == len(value)


def _are_classes(value: Any) -> bool:
    texts = isinstance(value, list) and all(_is_text(name) for name in value)
    return value is None or (texts and len(set(value)) == len(value))


def _are_layers(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(_is_text(name) and isinstance(arrays, list) and bool(arrays) for name, arrays in value.items())
        and all(_is_array(array) for arrays in value.values() for array in arrays)
    )


def _is_array(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"name", "shape", "dtype"}
        and _is_name(value["name"])
        and isinstance(value["shape"], list)
        and len(value["shape"]) <= 8
        and all(_is_whole(side, 1) for side in value["shape"])
        and isinstance(value["dtype"], str)
        and value["dtype"] in BYTES
    )


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and bool(_HEXADECIMAL.fullmatch(value))


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "format": (lambda value: _is_whole(value, 1, FORMAT), f"the number 1 or {FORMAT}"),
    "model": (_is_text, "a name of --model"),
    "architecture": (lambda value: value is None or _is_digest(value), "null or 64 hexadecimal digits"),
    "image_size": (lambda value: _is_whole(value, 32, 1024), "32 to 1024"),
    "classes": (
        lambda value: value is None or _is_whole(value, 2, _MOST_CLASSES),
        f"a whole number from 2 to {_MOST_CLASSES:,}, or null",
    ),
    "trained_on": (_are_classes, "null or a list of different names of classes"),
    "pixel_scale": (_is_scale, "null or a number above 0"),
    "preprocessing": (
        _is_preprocessing,
        'null or {"mean": [NUMBER, NUMBER, NUMBER], "scale": [FACTOR, FACTOR, FACTOR], "order": "rgb" or "bgr"} with '
        "factors above 0",
    ),
    "layers": (
        _are_layers,
        '{LAYER: [{"name": NAME, "shape": [SIDE, ...], "dtype": TYPE}, ...]} with names without control characters '
        f"and .., sides of at least 1, and types {' or '.join(BYTES)}",
    ),
    "unused": (_are_names, "a list of different names of arrays"),
    "sha256": (_is_digest, "64 hexadecimal digits"),
    "bytes": (lambda value: _is_whole(value, 1), "a whole number above 0"),
    "provenance": (lambda value: _is_text(value, 10_000), "a text of 1 to 10,000 characters"),
}


def _fault(content: Any) -> str | None:
    """Returns the fault in the first wrong field of a description; None if all are right."""
    if not isinstance(content, dict):
        return "it is not a JSON object"
    fields = set(_FIELDS) - ({"preprocessing"} if _is_whole(content.get("format"), 1, 1) else set())
    absent, unknown = [name for name in _FIELDS if name in fields - set(content)], sorted(set(content) - fields)
    if absent or unknown:
        return f"missing: {', '.join(absent) or 'nothing'}; unknown: {shown(unknown) if unknown else 'nothing'}"
    for name, (fits, expected) in _FIELDS.items():
        if name in fields and not fits(content[name]):
            return f"expected {name} to be {expected}; received {shown(content[name])}"
    if content["format"] == 1 and content["classes"] is None:
        return "a number of classes that is not known needs format 2"
    if content.get("preprocessing") is not None and content["pixel_scale"] is not None:
        return "it has both preprocessing and pixel_scale; one of them must be null"
    if content["trained_on"] is not None and len(content["trained_on"]) != content["classes"]:
        return f"trained_on names {len(content['trained_on'])} classes, classes says {content['classes']}"
    parsed = _parsed(content)
    names = [array.name for arrays in parsed.layers.values() for array in arrays] + list(parsed.unused)
    if len(set(names)) != len(names):
        return "an array is named twice"
    needed = sum(array.nbytes for arrays in parsed.layers.values() for array in arrays)
    if needed > parsed.bytes:
        return f"its layers have {needed:,} bytes, the file that it is about has {parsed.bytes:,}"
    if parsed.bytes > _MOST_TIMES * needed + _BYTES_BESIDE:
        return (
            f"the file that it is about has {parsed.bytes:,} bytes, its layers {needed:,}: most of it is something else"
        )
    return None


def _parsed(content: Mapping[str, Any]) -> Description:
    """Returns the description of a content without faults in its fields."""
    layers = {
        layer: tuple(Array(array["name"], tuple(array["shape"]), array["dtype"]) for array in arrays)
        for layer, arrays in content["layers"].items()
    }
    plain = {field.name: content.get(field.name) for field in dataclasses.fields(Description)}
    named = None if content["trained_on"] is None else tuple(content["trained_on"])
    known = None if plain["preprocessing"] is None else Preprocessing(**plain["preprocessing"])
    parsed = {"layers": layers, "trained_on": named, "unused": tuple(content["unused"]), "preprocessing": known}
    return Description(**plain | parsed)
