"""Runs the tests marked `faults` and prints their tally: `python -m tests.faults [--quick|--full]`."""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent

if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word not in ("--quick", "--full")]
    os.environ["TFTRANSFER_FAULTS"] = "full" if "--full" in sys.argv else "quick"
    raise SystemExit(
        pytest.main(["-q", "-rs", "-m", "faults", f"--rootdir={ROOT}", str(ROOT / "tests/faults"), *words])
    )
