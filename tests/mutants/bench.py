"""A copy of the checkout, in which mutants are tried one after the other."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.mutants.mutant_list import ROOT, Mutant

# What tests read of the checkout.
_COPIED = ("tftransfer", "tests", "docs", "flags", "runs/published", "runs/README.md", "README.md", "BUILD.md",
           "mkdocs.yml", "LICENSE", "pyproject.toml", "setup.py", ".ci", ".gitignore")  # fmt: skip
_WORKER = pathlib.Path("tests", "mutants", "worker.py")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How some tests ended.

    Attributes:
        code: pytest's exit code, or None if they took too long.
        output: The last lines.
        seconds: What they took.
    """

    code: int | None
    output: str
    seconds: float


class Bench:
    """One copy of the checkout and one process that runs tests in it.

    Args:
        folder: Where the copy is made.
        seconds: Limit of the tests of one mutant.
    """

    def __init__(self, folder: pathlib.Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        for name in _COPIED:
            _copy(ROOT / name, folder / name)
        (folder / "tmp").mkdir()
        environment = os.environ | {
            # Without bytecode: a text that is changed twice within a second would be taken for the one before.
            "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder / "tmp"),
            "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow",
        }  # fmt: skip
        self._log = folder / "tmp" / "worker.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(folder / _WORKER)], cwd=folder, env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    def try_out(self, mutant: Mutant) -> Verdict:
        """Returns how the tests of a mutant end with it; the copy is then as before."""
        path = self.folder / mutant.file
        whole = path.read_text(encoding="utf-8")
        path.write_text(whole.replace(mutant.old, mutant.new), encoding="utf-8")
        try:
            return self.run(mutant.tests)
        finally:
            path.write_text(whole, encoding="utf-8")

    def run(self, tests: Sequence[str], seconds: float | None = None) -> Verdict:
        """Returns how tests end in this copy."""
        started = time.monotonic()
        job = {"tests": list(tests), "seconds": seconds or self.seconds}
        print(json.dumps(job), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            said = self._log.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"The process that runs the tests ended with {self._process.wait()}: {said}")
        return Verdict(**json.loads(answer), seconds=time.monotonic() - started)

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()


def _copy(path: pathlib.Path, to: pathlib.Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, to, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    elif path.is_file():
        shutil.copy(path, to)
