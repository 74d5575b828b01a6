"""Measures `python -m tftransfer.report` on a study of 174 networks, from process start to the last file.

    python tests/benchmarks/report_speed.py [--repeats=3]

Goals: a page with its figures within 20 s, Markdown within 3 s and without TensorFlow.
"""

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import fake_study  # noqa: E402


def measure(study: pathlib.Path, out: pathlib.Path, format_: str) -> tuple[float, float]:
    """Returns the seconds that a report took, by the clock and of the processor."""
    command = [sys.executable, "-m", "tftransfer.report", f"--study={study}", f"--out={out}", f"--format={format_}"]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    spent, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        study, out = pathlib.Path(folder) / "study", pathlib.Path(folder) / "out"
        print(f"{fake_study.write_paper_like(study)} networks, load {os.getloadavg()[0]:.1f}")
        for format_ in ("html", "md"):
            runs = [measure(study, out, format_) for _ in range(repeats)]
            clock, processor = (statistics.median(values) for values in zip(*runs, strict=True))
            print(f"{format_:<6}{clock:6.1f} s, of the processor {processor:.1f} s")


if __name__ == "__main__":
    main()
