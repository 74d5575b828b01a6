"""The process that prepares the images of a sweep, so that the sweep itself never loads TensorFlow.

python -m tftransfer.scheduling.prepare OPTIONS.json STORE.txt
"""

import json
import pathlib
from collections.abc import Sequence

from tftransfer import command_line, processes, records
from tftransfer.config import Config
from tftransfer.data import preparing, progress


def main(argv: Sequence[str]) -> None:
    """Prepares the images that options in a file name, and writes where they are into another."""
    options = Config(**json.loads(pathlib.Path(argv[1]).read_text(encoding="utf-8")))
    store = preparing.prepare(options, progress.printer(options.dataset))
    for line in progress.notes(store):
        print(line, flush=True)
    records.write_text(pathlib.Path(argv[2]), str(store.path))


if __name__ == "__main__":
    processes.end_with_parent()
    command_line.main(main)
