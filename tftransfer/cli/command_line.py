"""Flags from a configuration's fields, and the frame that every command runs in.

absl-py parses, so `--flagfile=FILE`, `--flag value`, `--noflag` and abbreviations work as in other tools built on it.
TensorFlow is not imported here.
"""

import contextlib
import dataclasses
import difflib
import os
import pathlib
import re
import sys
import tempfile
import textwrap
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from absl import flags

from tftransfer.cli.options import SECTIONS
from tftransfer.system import caller, escaping, limits, signals, standard_streams, untrusted_files

ConfigT = TypeVar("ConfigT")

COMMANDS = ("advise", "run", "sweep", "tune", "bench", "report", "describe", "cache", "export")
EXIT_BAD_INPUT = 2
EXIT_FAILED = 3  # a network diverged, found no memory or could not be trained
EXIT_WARNINGS = 4  # all is trained, with warnings about some scores
EXIT_BROKEN_PIPE = standard_streams.EXIT_BROKEN_PIPE
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
EXIT_TERMINATED = 143  # 128 + SIGTERM
_MOST_FLAG_BYTES = 1_000_000  # in all files of one command line; a recipe has some hundred
_BYTES_OF_A_FILE = 1_000  # counted for each file besides its content, so that there are not too many
_DEEPEST_FLAG_FILE = 10
_RECIPE = re.compile(r"[A-Za-z0-9_-]+")
_PLACES = ("runs_dir", "cache_dir")  # an empty one comes from a shell variable that is not set
_KINDS = (ValueError, RuntimeError, MemoryError, KeyboardInterrupt, signals.Terminated)
_GOES_ON = "What is done is kept; the same command goes on from there."


class UsageError(ValueError):
    """A command line that cannot be understood."""


class _Options(flags.FlagValues):
    """absl's flags, whose files may come from anybody: they are read to a limit, and regular files only.

    A shell's `<(...)` is refused like all pipes, which may never end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["_bytes_left"] = _MOST_FLAG_BYTES  # an attribute would be taken for a flag

    def _get_flag_file_lines(self, filename: str, parsed_file_stack: list[str] | None = None) -> list[str]:
        """Returns the options in a file and in the files that it names; absl calls it for each `--flagfile`."""
        filename = recipe_path(filename)
        above = parsed_file_stack or []
        real = os.path.realpath(filename)
        if real in above or len(above) >= _DEEPEST_FLAG_FILE:
            raise UsageError(
                f"Flag files may name others {_DEEPEST_FLAG_FILE} deep, not each other. "
                f"Received: {' > '.join([*above, real])[:500]}"
            )
        options = []
        for line in self._lines_of(filename):
            if not line or line.startswith(("#", "//")):
                continue
            if self._is_flag_file_directive(line):
                options += self._get_flag_file_lines(self._extract_filename(line), [*above, real])
            else:
                options.append(line)
        return options

    def _lines_of(self, filename: str) -> list[str]:
        """Returns the lines of one file, and subtracts its size from the bytes that may still be read."""
        try:
            if os.path.exists(filename) and os.path.samefile(filename, os.devnull):
                return []
            content = untrusted_files.content(filename, max(0, self.__dict__["_bytes_left"]))
            text = content.decode("utf-8")
        except OSError as error:
            raise UsageError(f"Cannot read the flag file: {error}.") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"The flag file {filename} is no text: {error}.") from error
        except ValueError as error:
            raise UsageError(
                f"Cannot read the flag file {filename}: {error}. Expected a file of options, one per line; write the "
                f"output of a pipe such as <(...) into one."
            ) from error
        self.__dict__["_bytes_left"] -= len(content) + _BYTES_OF_A_FILE
        return [line.strip() for line in re.split("\r\n|\r|\n", text)]


def recipe_path(name: str) -> str:
    """Returns the file of a flag file's name: a path, or the name of a recipe that comes with the package.

    Raises:
        UsageError: If it is a plain name, and neither a file nor a recipe, with the nearest ones.

    Example:
        >>> pathlib.Path(recipe_path("paper_small")).name, recipe_path("my/own.flags")
        ('paper_small.flags', 'my/own.flags')
    """
    if os.path.exists(name) or not _RECIPE.fullmatch(name):
        return name
    package = pathlib.Path(__file__).parents[1]
    for folder in (package / "flags", package.parent / "flags"):  # installed; in a checkout
        path = folder / f"{name}.flags"
        if path.is_file():
            return str(path)
    known = sorted({path.stem for place in (package, package.parent) for path in place.glob("flags/*.flags")})
    near = difflib.get_close_matches(name, known, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(
        f"Cannot read the flag file: {name} is neither a file nor a recipe of the package. Recipes: "
        f"{', '.join(known) or 'none is installed'}.{hint}"
    )


def parse(config_class: type[ConfigT], argv: Sequence[str], usage: str) -> tuple[ConfigT, set[str]]:
    """Returns the configuration of a command line.

    Args:
        config_class: A dataclass of `options.option` fields.
        argv: The options; the program's name (`run.py`) may stand before them.
        usage: Text above the options in `--help`, after which the process ends with exit code 0.

    Returns:
        The configuration, and the names of the options that the user gave.

    Raises:
        ValueError: If an option is unknown, or its value is wrong.
    """
    fields = dataclasses.fields(config_class)
    values = _Options()
    for field in fields:
        _define(field, values)
    flags.DEFINE_string("flagfile", "", "File of options, one per line; `#` starts a comment.", flag_values=values)
    flags.DEFINE_boolean("help", False, "Show the options.", short_name="h", flag_values=values)
    try:
        rest = values(["", *_without_program(argv)])[1:]
    except flags.Error as error:
        raise UsageError(f"{_first_upper(str(error))}. --help shows the options.") from error
    except UsageError:
        raise
    except ValueError as error:  # such as a name with a NUL character
        raise UsageError(f"Cannot read the flag file: {error}.") from error
    if values["help"].value:
        print(help_text(config_class, usage))
        raise SystemExit(0)
    if rest:
        raise UsageError(f"Unexpected argument {rest[0]!r}. Options start with --, as in --treatment=BnB.")
    given = {field.name for field in fields if values[field.name].present}
    for name in sorted(given):
        value = values[name].value
        if isinstance(value, str) and value.startswith("--"):
            raise UsageError(f"--{name} has no value: the next word is an option. Received: --{name} {value}")
        if name in _PLACES and not value:
            raise UsageError(f"--{name} is empty. Name a folder, . for this one; or leave the option out.")
    return config_class(**{field.name: _value(values[field.name].value) for field in fields}), given


def _without_program(argv: Sequence[str]) -> list[str]:
    """Returns a command line without the program's name, which is no option and may be missing."""
    is_program = argv and (argv[0].endswith(".py") or argv[0].removeprefix("tftransfer.") in ("", *COMMANDS))
    return list(argv[1:] if is_program else argv)


def _value(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _define(field: dataclasses.Field, values: flags.FlagValues) -> None:
    kind = field.type if isinstance(field.type, type) else type(field.default)
    common = (field.name, field.default, field.metadata["help"])
    if kind in (int, float):
        flags.DEFINE(_WholeNumber() if kind is int else _Number(), *common, flag_values=values)
    else:
        define = {bool: flags.DEFINE_boolean, str: flags.DEFINE_string, tuple: flags.DEFINE_multi_string}[kind]
        define(*common, flag_values=values)


class _WholeNumber(flags.IntegerParser):
    """Whole numbers in ASCII digits."""

    def convert(self, argument: str | float) -> int:
        return super().convert(_ascii(argument))


class _Number(flags.FloatParser):
    """Numbers in ASCII digits."""

    def convert(self, argument: str | float) -> float:
        return super().convert(_ascii(argument))


def _ascii(argument: str | float) -> str | float:
    """Returns a number or its text, after refusing digits that are not ASCII."""
    if isinstance(argument, str) and not argument.isascii():
        raise ValueError("expected digits from 0 to 9")
    return argument


def help_text(config_class: type, usage: str) -> str:
    """Returns the text of `--help`: all options by section, with their defaults."""
    lines = [usage.strip(), ""]
    for section, title in SECTIONS.items():
        fields = [f for f in dataclasses.fields(config_class) if f.metadata["section"] == section]
        if not fields:
            continue
        lines.append(f"{title}:")
        for field in fields:
            text = field.metadata["help"]
            if field.metadata["choices"]:
                text += f" ({', '.join(field.metadata['choices'])})"
            if field.default is not False and field.default not in ("", ()):
                text += f" [{field.default:g}]" if isinstance(field.default, float) else f" [{field.default}]"
            name = f"  --{'[no]' if isinstance(field.default, bool) else ''}{field.name}"
            lines += _hang(name, text)
        lines.append("")
    lines += ["More:", *_hang("  --flagfile", "file of options, one per line, or the name of a recipe: paper_small")]
    return "\n".join([*lines, *_hang("  --help", "this text")])


def _hang(name: str, text: str) -> list[str]:
    """Returns `name` with `text` wrapped beside it."""
    wrapped = textwrap.wrap(text, 88)
    first = f"{name:<24}{wrapped[0]}" if len(name) < 24 else f"{name}\n{'':24}{wrapped[0]}"
    return [first, *(f"{'':24}{line}" for line in wrapped[1:])]


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")


def main(command: Callable[[Sequence[str]], int | None], argv: Sequence[str] | None = None) -> None:
    """Runs a command and exits; bad input and signals end in one line on standard error, without a traceback.

    Args:
        command: Function from the command line to the exit code.
        argv: The command line; that of the process if None.
    """
    argv = list(sys.argv if argv is None else argv)
    name = pathlib.Path(argv[0]).stem
    program = name if name == "tftransfer" else f"python -m tftransfer.{name}"
    standard_streams.open_all()
    try:
        with signals.raising():
            code = command(argv) or 0
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise  # its text, and exit code 1
        code = ended.code or 0
    except BaseException as error:
        code, text = _judged(error)
        lead = "\n" if isinstance(error, KeyboardInterrupt) else ""  # after the ^C that a terminal shows
        if text and not caller.listens():  # who raises it in its own process
            standard_streams.say(f"{lead}{program}: {text}")
        caller.failure(text, next((kind.__name__ for kind in _KINDS if isinstance(error, kind)), "OSError"))
    raise SystemExit(standard_streams.flushed(code))


def _judged(error: BaseException) -> tuple[int, str]:
    """Returns exit code and message for an error of a command; errors of the package itself are raised again."""
    if isinstance(error, BrokenPipeError):  # the reader of the output has gone, as in `| head`
        return EXIT_BROKEN_PIPE, ""
    if isinstance(error, ValueError | RuntimeError) and _raised_here(error):
        kept = "\n" if getattr(error, "in_lines", False) else ""
        return EXIT_BAD_INPUT, escaping.visible(str(error), keep=kept, most=escaping.MOST_OF_TEXT)
    if isinstance(error, MemoryError):
        return EXIT_FAILED, f"out of memory. {error or 'Use a smaller --batch_size, --width or --image_size.'}"
    if isinstance(error, OSError):
        reason = escaping.terminal(error, escaping.MOST_OF_TEXT)
        if limit := limits.open_files_exhausted(error):
            return EXIT_FAILED, f"{reason}. {limit} {_GOES_ON}"
        return EXIT_BAD_INPUT, f"{reason}. Check that the path exists, can be written and has room."
    if isinstance(error, KeyboardInterrupt):
        return EXIT_INTERRUPTED, f"interrupted. {_GOES_ON}"
    if isinstance(error, signals.Terminated):
        return error.exit_code, f"ended by {error.name}. {_GOES_ON}"
    raise error


def _raised_here(error: BaseException) -> bool:
    """Whether the package itself raised an error, whose message is then written for the user."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_globals.get("__name__", "").startswith(("tftransfer", "__main__"))


@contextlib.contextmanager
def suppress_stderr() -> Iterator[None]:
    """Suppresses standard error while TensorFlow or Keras starts; it is shown if that fails.

    TensorFlow prints notes on its build and on missing GPUs before it reads its log level.
    """
    limits.require_address_space()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # a keras.json may name another
    sys.stderr.flush()
    with tempfile.TemporaryFile() as output, contextlib.ExitStack() as undo:
        kept = os.dup(2)
        undo.callback(os.close, kept)
        os.dup2(output.fileno(), 2)
        try:
            yield
        except Exception as error:
            os.dup2(kept, 2)
            if not _raised_here(error):  # the package's own messages are enough
                output.seek(0)
                sys.stderr.write(output.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(kept, 2)
