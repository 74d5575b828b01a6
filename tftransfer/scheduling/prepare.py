"""The process that prepares the images of a sweep, so that the sweep itself never loads TensorFlow.

    python -m tftransfer.scheduling.prepare REQUEST.json ANSWER.json

It also builds a model that only Keras knows, to find its blocks and its architecture.
"""

import json
import pathlib
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from tftransfer.cli import command_line
from tftransfer.data import progress, store_pair
from tftransfer.data.store import Store
from tftransfer.data.store_pair import StorePair
from tftransfer.experiment import prepared_images
from tftransfer.experiment.config import Config
from tftransfer.models import catalog
from tftransfer.system import atomic, escaping, processes, untrusted_files

MODULE = "tftransfer.scheduling.prepare"


class Prepared(NamedTuple):
    """The answer of the process that prepares.

    Attributes:
        store: The prepared images.
        blocks: Names of the model's blocks.
        architecture: The model's architecture, None where its name says it.
    """

    store: Store | StorePair
    blocks: Sequence[str]
    architecture: dict[str, Any] | None


def in_own_process(options: Mapping[str, Any], given: Collection[str]) -> Prepared:
    """Prepares the images, and the model's blocks and architecture, in a process of its own.

    Args:
        options: The options of `Config` by name.
        given: Names of options that the user gave.

    Raises:
        SystemExit: If the process failed, after a message.
    """
    request = {"config": dict(options), "given": sorted(given)}
    with tempfile.TemporaryDirectory() as folder:
        answer = processes.ask(MODULE, request, pathlib.Path(folder), shown=True)
    if answer.reason:  # it had no time to say why
        escaping.say(
            f"python -m tftransfer.sweep: the process that prepares the images was {answer.reason}. What is prepared "
            f"is kept: give the same command again, with more free memory if that was it.",
            sys.stderr,
        )
        raise SystemExit(command_line.EXIT_FAILED)
    if answer.code:
        raise SystemExit(answer.code)  # it has said why
    content = answer.content
    return Prepared(store_pair.open_stores(content["stores"]), content["blocks"], content["architecture"])


def main(argv: Sequence[str]) -> None:
    """Prepares the images of a request; writes their folder, the model's blocks and its architecture as JSON."""
    request = untrusted_files.read_json(argv[1])
    options = Config(**request["config"])
    blocks, architecture = catalog.blocks_of(options.model, options.blocks), None
    if blocks is None:
        blocks, architecture = _ask_keras(options, request["given"])
    store = prepared_images.prepare(options, progress.printer)
    for line in progress.notes(store):
        escaping.say(line)
    answer = {"stores": [str(each.path) for each in store.stores], "blocks": blocks, "architecture": architecture}
    atomic.write_text(pathlib.Path(argv[2]), json.dumps(answer))


def _ask_keras(options: Config, given: Sequence[str]) -> tuple[Sequence[str], dict[str, Any] | None]:
    with command_line.suppress_stderr():
        from tftransfer.models import architectures
        from tftransfer.training import trainer

    return trainer.checked_blocks(options, given), architectures.identity(options.architecture)


if __name__ == "__main__":
    command_line.main(main)
