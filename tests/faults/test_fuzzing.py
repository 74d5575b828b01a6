"""Readers of bytes, fuzzed by what their coverage tells; see `fuzzing.py`."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

import fault_sizes

pytestmark = pytest.mark.faults

HERE = pathlib.Path(__file__).parent
TARGETS = ("image", "record", "split", "flagfile", "manifest", "checkpoint", "description", "hdf5", "safetensors")
SECONDS = fault_sizes.pick(5, 60)  # of each


@pytest.mark.parametrize("target", TARGETS)
def test_no_bytes_end_in_a_traceback(target, tmp_path, tally):
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed (pip install atheris): readers were NOT fuzzed")
    words = [sys.executable, HERE / "fuzzing.py", target, tmp_path, f"-max_total_time={SECONDS}"]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", cwd=tmp_path, env=environment)
    runs = re.search(r"Done (\d+) runs", done.stderr)
    for _ in range(int(runs[1]) if runs else 0):
        tally.bad_input(f"fuzzed: {target}", True)
    fine = done.returncode == 0 and runs is not None
    if not fine:
        tally.bad_input(f"fuzzed: {target}", False)
    assert fine, (done.stdout + done.stderr)[-3000:]
    left = {path.name.partition(".")[0] for path in tmp_path.iterdir()}
    assert left <= {"corpus", "read", "study", "images", "cache", "base"}
