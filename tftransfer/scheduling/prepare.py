"""The process that prepares the images of a sweep, so that the sweep itself never loads TensorFlow.

    python -m tftransfer.scheduling.prepare REQUEST.json ANSWER.json

It also builds a model that only Keras knows, to name its blocks.
"""

import json
import pathlib
from collections.abc import Sequence

from tftransfer import command_line, records
from tftransfer.config import Config
from tftransfer.data import preparing, progress
from tftransfer.models import names as model_names


def main(argv: Sequence[str]) -> None:
    """Prepares the images that a request names, and answers where they are and which blocks the model has."""
    request = json.loads(pathlib.Path(argv[1]).read_text(encoding="utf-8"))
    options = Config(**request["config"])
    blocks = model_names.blocks_of(options.model, options.blocks)
    if blocks is None:
        blocks = _blocks_from_keras(options, request["given"])
    store = preparing.prepare(options, progress.printer(options.dataset))
    for line in progress.notes(store):
        print(line, flush=True)
    records.write_text(pathlib.Path(argv[2]), json.dumps({"store": str(store.path), "blocks": blocks}))


def _blocks_from_keras(options: Config, given: Sequence[str]) -> Sequence[str]:
    with command_line.hushed():
        from tftransfer.models import architectures

    return architectures.checked_blocks(options, given)


if __name__ == "__main__":
    command_line.main(main)
