"""The process of one case: builds its networks, then trains them for the seconds in each line of standard input.

    python -m tftransfer.benchmarking.worker

The first line is the request, `{"config": ..., "kind": ..., "frozen": ...}`. Every answer is a line of JSON. The
process ends with its input, so that it does not outlive the command that started it.
"""

import dataclasses
import json
import os
import resource
import sys
from typing import Any, TextIO

from tftransfer.benchmarking.cases import REPLICAS, Case
from tftransfer.experiment.config import Config


def main(requests: TextIO, answers: TextIO) -> None:
    """Builds a case and answers requests until they end."""

    def answer(**values: Any) -> None:
        answers.write(json.dumps({**values, "peak_memory_mb": _peak_memory_mb()}, allow_nan=False) + "\n")
        answers.flush()

    request = json.loads(requests.readline())
    config = Config(**request["config"])
    from tftransfer.benchmarking import images  # TensorFlow

    if request["kind"] == REPLICAS:
        from tftransfer.benchmarking import stepping

        answer(**stepping.largest_difference(config, images.drawn_task(config)))
        return
    from tftransfer.benchmarking import stepping
    from tftransfer.training import strategies

    strategy = strategies.make(config.strategy, config.replicas)
    task = images.task(config)
    case = Case(request["kind"], tuple((letter, n) for letter, n in request["frozen"]))
    steps = stepping.Steps(config, case, task)
    answer(
        multiply_adds=steps.multiply_adds,
        compile_seconds=steps.compile_seconds,
        device=strategies.describe(strategy),
        drawn=isinstance(task.training, images.DrawnHalf),
    )
    for line in requests:
        answer(**dataclasses.asdict(steps.turn(float(line))))


def _peak_memory_mb() -> float:
    """Returns the most memory that this process has held so far, in megabytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what libraries print is no answer
        main(sys.stdin, answers)
