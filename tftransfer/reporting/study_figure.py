"""The process that puts a study's figure into TensorBoard: drawing and writing it load more than a sweep should.

python -m tftransfer.reporting.study_figure STUDY
"""

import pathlib
import sys
import time

from tftransfer.records import event_files
from tftransfer.reporting import collected, drawing


def main(study: pathlib.Path) -> None:
    """Writes the figure that says most of a study, if it has one yet."""
    figure = drawing.main_figure(collected.collect(str(study), []))
    if figure:
        event_files.write_figure(study, figure, time.time())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
