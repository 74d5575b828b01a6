"""Runs all tests marked `faults` and prints their tally: `python -m tests.faults`."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent

if __name__ == "__main__":
    raise SystemExit(pytest.main(["-q", "-m", "faults", f"--rootdir={ROOT}", str(ROOT / "tests"), *sys.argv[1:]]))
