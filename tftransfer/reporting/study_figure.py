"""The process that writes a study's main figure for TensorBoard, so that a sweep need not load matplotlib.

python -m tftransfer.reporting.study_figure REQUEST.json ANSWER.json
"""

import pathlib
import sys
import time

from tftransfer.records import event_files
from tftransfer.reporting import collected, drawing
from tftransfer.system import atomic, untrusted_files


def main(study: pathlib.Path) -> None:
    """Writes the main figure of a study, if there are data for one."""
    figure = drawing.main_figure(collected.collect(str(study), []))
    if figure:
        event_files.write_figure(study, figure, time.time())


if __name__ == "__main__":
    main(pathlib.Path(untrusted_files.read_json(sys.argv[1])["study"]))
    atomic.write_text(pathlib.Path(sys.argv[2]), "{}")
