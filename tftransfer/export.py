"""The command that exports a finished network as a plain Keras model, which predicts from images.

    python -m tftransfer.export --network=runs/STUDY/NETWORK --to=FILE.keras

Keras alone loads the file, without this package.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer import calls
from tftransfer.cli import command_line
from tftransfer.cli.options import COMMAND, check_fields, option
from tftransfer.records import inputs, record_files
from tftransfer.system import caller, escaping

_USAGE = """
usage: python -m tftransfer.export --network=FOLDER --to=FILE.keras

Writes a finished network, whose weights were kept, as a plain Keras model: from images of any size, pixels from 0 to
255, to the probabilities of its classes. Preprocessing is inside, layers are trainable as they were, and the names of
the classes stand in the file's metadata.json. keras.models.load_model("FILE.keras") needs nothing of tftransfer.
"""


def _file(value: str) -> str | None:
    """Accepts names of `.keras` files."""
    return None if not value or value.endswith(".keras") else "FILE.keras"


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """The options of `python -m tftransfer.export`."""

    network: str = option("", COMMAND, "folder of a finished network with its weights, runs/STUDY/NETWORK")
    to: str = option("", COMMAND, "FILE.keras to write", _file)

    def __post_init__(self) -> None:
        """Checks the options; raises ValueError."""
        check_fields(self)
        missing = [f"--{name}" for name in ("network", "to") if not getattr(self, name)]
        if missing:
            raise ValueError(
                f"Export what, and where to? Expected --network=FOLDER and --to=FILE.keras. Received no "
                f"{' and no '.join(missing)}."
            )


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    options, _ = command_line.parse(ExportConfig, argv, _USAGE)
    path, folder = pathlib.Path(options.to), pathlib.Path(options.network)
    prepared = inputs.preprocessing(folder)  # refuses folders that are no network, before TensorFlow is loaded
    if path.exists():
        raise ValueError(f"{path} is there already; nothing was overwritten. Give another --to.")
    record_files.refuse_unwritable(path.absolute().parent, "folder of the file", "--to")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with command_line.suppress_stderr():
        from tftransfer.training import plain_model

    model = plain_model.of_record(folder)
    plain_model.save(model, path)
    own = plain_model.own_layers(model)
    caller.result(path=str(path))
    escaping.say(f"model      {path}\nclasses    {escaping.first(prepared.class_names)}")
    if own:
        escaping.say(f"needs      {escaping.terminal(', '.join(own))}: import what registers them before it is loaded")
    escaping.say(f"predict    keras.models.load_model({str(path)!r}).predict(images)  # pixels from 0 to 255")
    return 0


def _path(made: Mapping[str, Any]) -> pathlib.Path:
    return pathlib.Path(made["path"])


calls.make_callable(
    __name__, ExportConfig, """Writes a network as a plain Keras model with its preprocessing; returns the path.

    tftransfer.export("runs/STUDY/NETWORK", to="network.keras")

    Raises:
        ValueError: If an option is wrong, the file exists, or the weights or preprocessing were not kept.
    """, first="network", returns=_path,
)  # fmt: skip

if __name__ == "__main__":
    command_line.main(main)
