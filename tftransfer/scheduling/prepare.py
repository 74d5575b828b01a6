"""The process that prepares the images of a sweep, so that the sweep itself never loads TensorFlow.

    python -m tftransfer.scheduling.prepare REQUEST.json ANSWER.json

It also builds a model that only Keras knows, to find its blocks and its architecture.
"""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from tftransfer.cli import command_line
from tftransfer.data import progress
from tftransfer.experiment import prepared_images
from tftransfer.experiment.config import Config
from tftransfer.models import catalog
from tftransfer.system import atomic, escaping, untrusted_files


def main(argv: Sequence[str]) -> None:
    """Prepares the images of a request; writes their folder, the model's blocks and its architecture as JSON."""
    request = untrusted_files.read_json(argv[1])
    options = Config(**request["config"])
    blocks, architecture = catalog.blocks_of(options.model, options.blocks), None
    if blocks is None:
        blocks, architecture = _ask_keras(options, request["given"])
    store = prepared_images.prepare(options, progress.printer(options.dataset))
    for line in progress.notes(store):
        escaping.say(line)
    answer = {"store": str(store.path), "blocks": blocks, "architecture": architecture}
    atomic.write_text(pathlib.Path(argv[2]), json.dumps(answer))


def _ask_keras(options: Config, given: Sequence[str]) -> tuple[Sequence[str], dict[str, Any] | None]:
    with command_line.suppress_stderr():
        from tftransfer.models import architectures
        from tftransfer.training import trainer

    return trainer.checked_blocks(options, given), architectures.identity(options.architecture)


if __name__ == "__main__":
    command_line.main(main)
