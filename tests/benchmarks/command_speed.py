"""Seconds from a typed command to its answer.

    python tests/benchmarks/command_speed.py [--main_job]

Prints the median of several runs of what must answer at once (goal: 1.5 s), and with --main_job the seconds of
`python -m tftransfer.run --treatment=BnB --n=4` with nothing prepared (goal: 120 s on two cores).
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[2]
QUICK = {
    "--help": ["--help"],
    "--list": ["--list"],
    "wrong flag": ["--treatmnt=BnB"],
    "wrong value": ["--treatment=BnB", "--n=9"],
    "--dry_run, motifs": ["--treatment=BnB", "--n=4", "--dry_run"],
    "--dry_run, imagenet2012": ["--treatment=BnB", "--n=4", "--dry_run", "--dataset=imagenet2012"],
}


def seconds(arguments: list[str], folder: str) -> float:
    """Returns the seconds of one call."""
    words = [sys.executable, "-m", "tftransfer.run", *arguments]
    started = time.perf_counter()
    subprocess.run(words, capture_output=True, check=False, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)})
    return time.perf_counter() - started


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--main_job", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}; median of {options.runs} runs, slowest in brackets")
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in QUICK.items():
            times = [seconds(arguments, folder) for _ in range(options.runs)]
            print(f"{name:<26}{statistics.median(times):6.2f} s ({max(times):.2f})")
        if options.main_job:
            spent = seconds(["--treatment=BnB", "--n=4", f"--cache_dir={folder}/cache"], folder)
            print(f"{'main job, all of it':<26}{spent:6.1f} s")


if __name__ == "__main__":
    main()
