"""The command `tftransfer`, of which the others are parts: `tftransfer run ...` is `python -m tftransfer.run ...`."""

import difflib
import importlib
import sys
from collections.abc import Sequence

import tftransfer
from tftransfer.cli import command_line

_USAGE = """
usage: tftransfer COMMAND [options]; tftransfer COMMAND --help has the options of one
  advise    says which blocks of a pretrained network to keep, tune or drop for your images
  run       trains one network of the experiment, and the bases that it needs
  sweep     trains all networks of a study
  report    writes a study's effects, figures and warnings as a page
  tune      searches a recipe on held-out training images
  bench     measures the speed of a recipe on this machine
  describe  describes weights for run --pretrained, or exports a network's weights
  cache     lists prepared images and features, and removes them
  export    writes a network as a plain Keras model that predicts from images
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command, and exits with its exit code.

    Args:
        argv: The command line, the program's name first; that of the process if None.
    """
    words = list(sys.argv if argv is None else argv)[1:]
    if words and words[0] in command_line.COMMANDS:
        command = importlib.import_module(f"tftransfer.{words[0]}")
        command_line.main(command.main, [f"{words[0]}.py", *words[1:]])
    command_line.main(_answer, ["tftransfer.py", *words])


def _answer(argv: Sequence[str]) -> int:
    """Prints help or version; raises ValueError for anything else."""
    words = argv[1:]
    if not words or words[0] in ("--help", "-h", "help"):
        print(_USAGE.strip())
        return 0
    if words == ["--version"]:
        print(f"tftransfer {tftransfer.__version__}")
        return 0
    near = difflib.get_close_matches(words[0], command_line.COMMANDS, n=2)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(
        f"There is no such command. Expected one of {', '.join(command_line.COMMANDS)}. Received: {words[0]}.{hint}"
    )


if __name__ == "__main__":
    main()
