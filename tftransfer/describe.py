"""The command that describes weights for `run --pretrained`, and exports those of finished networks.

    python -m tftransfer.describe --network=runs/STUDY/NETWORK --to=base.safetensors
    python -m tftransfer.describe --weights=FILE.weights.h5 --model=ResNet50 --classes=10 --provenance="..."

docs/pretrained_weights.md has the format.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer import calls
from tftransfer.cli import command_line
from tftransfer.cli.options import COMMAND, MODEL, above, at_least, check_fields, option, within
from tftransfer.data import datasets
from tftransfer.experiment import splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.models import catalog, preprocessing
from tftransfer.pretrained import description, files
from tftransfer.records import record_files
from tftransfer.records.record_files import Record
from tftransfer.system import caller, escaping

_USAGE = """
usage: python -m tftransfer.describe --network=FOLDER --to=FILE [options]
       python -m tftransfer.describe --weights=FILE --classes=NUMBER --provenance=TEXT [options]

The first form exports a finished network; the second describes a file of weights that you have. Both write FILE.json,
the description with which `python -m tftransfer.run --pretrained=FILE` copies from the weights instead of training a
base. The second reads the file as carefully as `run` does; give it the options that the network was built with.
"""


@dataclasses.dataclass(frozen=True)
class DescribeConfig:
    """The options of `python -m tftransfer.describe`."""

    network: str = option("", COMMAND, "folder of a finished network with its weights, runs/STUDY/NETWORK")
    to: str = option(
        "", COMMAND, "FILE.safetensors or FILE.weights.h5 to export --network to", description.export_fault
    )
    weights: str = option("", COMMAND, "FILE.weights.h5, FILE.h5, FILE.keras, or FILE.safetensors with keys "
                          "LAYER/NUMBER", description.file_fault)  # fmt: skip
    classes: int = option(0, COMMAND, "number of classes that --weights were trained on", at_least(0))
    trained_on: str = option(
        "", COMMAND, "names of these classes, with commas between, or @FILE with one per line; without: not known"
    )
    provenance: str = option("", COMMAND, "who trained the weights, on what, under which licence")
    model: str = option("AlexNet", MODEL, "architecture of --weights, as in run", catalog.expected_model)
    image_size: int = option(32, MODEL, "height and width of its input in pixels",
                             lambda v: None if 32 <= v <= 1024 else "32 to 1024")  # fmt: skip
    width: float = option(0.25, MODEL, "AlexNet: factor on channels and units", within(0.01, 8))
    pixel_scale: float = option(
        1 / 64, MODEL, "factor on pixels in its training, 0 to 255 minus the mean image", above(0)
    )
    preprocessing: str = option(
        "", MODEL, "its input: torch, tf, caffe or none, the modes of keras.applications, or pixels, as --pixel_scale "
        "says; empty: for models of keras.applications their own, else pixels", preprocessing.expected,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Checks the options; raises ValueError."""
        check_fields(self)
        if bool(self.network) == bool(self.weights):
            raise ValueError("Describe what? Expected --network=FOLDER or --weights=FILE, and not both.")
        if bool(self.network) != bool(self.to):
            raise ValueError("--network and --to=FILE go together: what is exported, and where to.")
        if self.weights and (self.classes < 2 or not self.provenance.strip()):
            raise ValueError(
                f"--weights needs --classes=NUMBER, two at least, and --provenance=TEXT: who trained them, on what. "
                f"Received: --classes={self.classes} --provenance={self.provenance!r}"
            )


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    options, given = command_line.parse(DescribeConfig, argv, _USAGE)
    about_weights = {"classes", "model", "image_size", "width", "pixel_scale", "preprocessing"}
    unused = given & about_weights if options.network else set()
    unused |= {"pixel_scale"} & given if preprocessing.parse(options.preprocessing) else set()
    unused |= {"width"} & given if options.model not in catalog.MODELS else set()
    if unused:
        raise ValueError(f"--{sorted(unused)[0]} would change nothing here. Leave it out.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    path = pathlib.Path(options.to or options.weights)
    described = _exported(options, path) if options.network else _described(options, path, "pixel_scale" in given)
    described.write(path)
    caller.result(weights=str(path))
    known = "not known" if described.trained_on is None else ", ".join(described.trained_on)
    escaping.say(f"weights      {path}\ndescription  {description.beside(path)}")
    model, known = escaping.terminal(described.model), escaping.terminal(known)
    escaping.say(f"network      {model}, {described.image_size} pixels, {described.classes} classes: {known}")
    escaping.say(f"input        {_input_text(described)}")
    return 0


def _input_text(described: description.Description) -> str:
    """Returns what the described weights know as input, in words."""
    if described.preprocessing is not None or described.pixel_scale is None:
        return described.input if described.preprocessing else "pixels from 0 to 255"
    return f"pixels less the mean image, times {described.pixel_scale:g}"


def _classes(options: DescribeConfig) -> tuple[str, ...] | None:
    """Returns the class names of --trained_on; None if it is not given."""
    if options.trained_on.startswith("@"):
        return files.class_names(options.trained_on[1:])
    return tuple(options.trained_on.split(",")) if options.trained_on else None


def _check_count(names: tuple[str, ...] | None, classes: int) -> None:
    """Raises ValueError unless as many different classes are named as a network has."""
    if names is not None and (len(names) != classes or len(set(names)) != classes):
        raise ValueError(f"--trained_on names {len(set(names))} different classes; the network has {classes}.")


def _described(options: DescribeConfig, path: pathlib.Path, scaled: bool) -> description.Description:
    """Returns the description of a file of weights; `scaled` if the user gave the factor on its pixels."""
    description.size_of(path)
    names = _classes(options)
    _check_count(names, options.classes)
    pretrained_base = _pretrained_base()
    own = {"width": options.width} if options.model in catalog.MODELS else {}
    known = options.preprocessing
    if not known and not scaled and options.model in catalog.APPLICATIONS:
        known = preprocessing.of_application(options.model).text
    about = Config(
        model=options.model,
        image_size=options.image_size,
        pixel_scale=options.pixel_scale,
        pretrained_preprocessing=known,
        **own,
    )
    return pretrained_base.describe(path, about, options.classes, names, options.provenance)


def _exported(options: DescribeConfig, path: pathlib.Path) -> description.Description:
    """Writes the weights of a finished network into a file, and returns its description."""
    record = record_files.read(pathlib.Path(options.network))
    if record is None:
        raise ValueError(f"No finished network in {options.network}. Expected a folder with {record_files.RECORD}.")
    if path.exists():
        raise ValueError(f"{path} is there already; nothing was overwritten. Give another --to.")
    names = _classes(options) or _classes_of(record)
    _check_count(names, record.identity["data"]["class_count"])
    provenance = options.provenance or f"Trained with tftransfer: {record.content.get('command', record.name)}"
    return _pretrained_base().export(record, path, names, provenance)


def _classes_of(record: Record) -> tuple[str, ...] | None:
    """Returns the class names of a finished network; None for data sets that need a folder to tell them."""
    identity = record.identity
    dataset, target = identity["recipe"]["dataset"], treatments.Treatment(**identity["treatment"]).target
    if dataset != "imagenet2012" and not datasets.is_without_folder(dataset):  # their class names need no folder
        return None
    names, kinds = datasets.describe_classes(dataset)
    kind, seed = identity["split"].rstrip("0123456789"), identity["split"].removeprefix("random")
    if kind not in ("random", "natural_manmade"):
        return None
    split = splits.make(kind, names, kinds, int(seed) if kind == "random" else 0)
    classes = split.classes(target)
    same = splits.digest(classes) == identity["data"]["classes_sha256"]
    return tuple(names[index] for index in classes) if same else None


def _pretrained_base() -> Any:
    """Loads TensorFlow, and returns the module `execution.pretrained_base`."""
    with command_line.suppress_stderr():
        from tftransfer.execution import pretrained_base
    return pretrained_base


def _path(made: Mapping[str, Any]) -> pathlib.Path:
    return pathlib.Path(made["weights"])


calls.make_callable(
    __name__, DescribeConfig, """Describes weights for `pretrained=`, or exports those of a network; returns their path.

    tftransfer.describe(network="runs/STUDY/NETWORK", to="base.safetensors")

    The options are those of `python -m tftransfer.describe --help`.

    Raises:
        ValueError: If an option is unknown or wrong, or the weights do not fit.
    """, first="network", returns=_path,
)  # fmt: skip

if __name__ == "__main__":
    command_line.main(main)
