import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from tftransfer.cli import command_line
from tftransfer.execution.run_config import RunConfig
from tftransfer.sweep import SweepConfig

FLAGS = pathlib.Path(__file__).parents[2] / "flags"


def parse(*arguments):
    return command_line.parse(RunConfig, ["run.py", *arguments], "usage")


def test_options_and_what_was_given():
    options, given = parse("--treatment=BnB", "--n", "4", "--nokeep_weights", "--learning_rate=1e-3")
    assert (options.treatment, options.n, options.learning_rate) == ("BnB", "4", 0.001)
    assert given == {"treatment", "n", "keep_weights", "learning_rate"}


def test_flag_files(tmp_path):
    path = tmp_path / "recipe.flags"
    path.write_text("# a comment\n--epochs=3\n--dataset=cifar100\n")
    options, given = parse(f"--flagfile={path}", "--epochs=5")
    assert (options.epochs, options.dataset) == (5.0, "cifar100"), "the command line comes after the file"
    assert given == {"epochs", "dataset"}


def test_the_programs_name_may_be_missing():
    for words in (["--n=4"], ["run.py", "--n=4"], ["/somewhere/run.py", "--n=4"], ["run", "--n=4"]):
        assert command_line.parse(RunConfig, words, "usage")[1] == {"n"}
    assert command_line.parse(RunConfig, [], "usage")[1] == set()
    with pytest.raises(ValueError, match="Unexpected argument 'AnB'"):
        command_line.parse(RunConfig, ["AnB"], "usage")


def test_recipes_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_name, _ = parse("--flagfile=paper_small")
    by_path, _ = parse(f"--flagfile={FLAGS / 'paper_small.flags'}")
    assert by_name == by_path
    assert by_name.steps == 13500
    (tmp_path / "paper_small").write_text("--steps=7\n")
    assert parse("--flagfile=paper_small")[0].steps == 7, "a file of that name comes first"
    (tmp_path / "mine.flags").write_text("--flagfile=demo\n")
    assert parse("--flagfile=mine.flags")[1] == parse("--flagfile=demo")[1], "also in other files"
    with pytest.raises(ValueError, match=r"neither a file nor a recipe.*tiny_imagenet.*Did you mean paper_small"):
        parse("--flagfile=paper_smal")


def test_installed_recipes_are_those_of_the_package(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "tftransfer"
    (package / "flags").mkdir(parents=True)
    (package / "flags" / "installed.flags").write_text("--steps=3\n")
    monkeypatch.setattr(command_line, "__file__", str(package / "cli" / "command_line.py"))
    assert parse("--flagfile=installed")[0].steps == 3


@pytest.mark.parametrize("path", sorted(FLAGS.glob("*.flags")), ids=lambda path: path.stem)
def test_every_shipped_flag_file_parses_and_has_a_lab_book_header(path):
    command = SweepConfig if "tftransfer.sweep" in path.read_text(encoding="utf-8") else RunConfig
    options, _ = command_line.parse(command, ["run.py", f"--flagfile={path}", "--data_dir=x"], "usage")
    assert options.study_name()
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    for word in ("Command", "Cost", "Expected"):
        assert any(line.startswith(f"# {word}") for line in header), f"{path.name} does not say: {word}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--treatmnt=BnB"], "Did you mean: treatment"),
        (["--steps=four"], "four"),
        (["--steps=\u0663\u0660"], "expected digits from 0 to 9"),
        (["--learning_rate=\uff11"], "expected digits from 0 to 9"),
        (["BnB"], "Unexpected argument 'BnB'"),
        (["--flagfile=/nowhere.flags"], "nowhere.flags"),
        (["--n"], "Missing value"),
    ],
)
def test_bad_command_lines(arguments, message):
    with pytest.raises(ValueError, match=message):
        parse(*arguments)


def test_binary_flag_file(tmp_path):
    (tmp_path / "x.flags").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="no text"):
        parse(f"--flagfile={tmp_path}/x.flags")


def test_help_shows_every_option_and_ends_well(capsys):
    with pytest.raises(SystemExit) as end:
        parse("--help")
    assert not end.value.code
    text = capsys.readouterr().out
    for name in (*(field.name for field in dataclasses.fields(RunConfig)), "flagfile", "help"):
        assert re.search(rf"^  --(\[no\])?{name}\s", text, re.MULTILINE), name
    assert re.search(r"--seed .*\[0\]\n", text), "a default of 0 is a default"
    assert re.search(r"--split_file .*=file\n", text), "an empty one is none"


def run_main(command):
    with pytest.raises(SystemExit) as end:
        command_line.main(command, ["run.py"])
    return end.value.code


def test_exit_codes_and_messages(capsys):
    def bad_input(_):
        parse("--steps=x")

    def interrupted(_):
        raise KeyboardInterrupt

    def terminated(_):
        signal.raise_signal(signal.SIGTERM)

    def hung_up(_):
        signal.raise_signal(signal.SIGHUP)

    def no_disk(_):
        raise OSError(28, "No space left on device", "runs/x")

    assert run_main(lambda _: None) == 0
    assert run_main(bad_input) == command_line.EXIT_BAD_INPUT
    assert run_main(interrupted) == 130
    assert run_main(terminated) == 143
    assert run_main(hung_up) == 129
    assert run_main(no_disk) == command_line.EXIT_BAD_INPUT
    assert (output := capsys.readouterr().err).count("goes on from there") == 3
    assert "No space left" in output
    assert "Traceback" not in output


def test_faults_of_libraries_keep_their_traceback():
    with pytest.raises(ValueError, match="null byte"):
        command_line.main(lambda _: pathlib.Path("x\0").stat(), ["run.py"])


def test_hushed_shows_what_was_said_only_on_failure():
    code = (
        "import os, sys\nfrom tftransfer.cli import command_line\n"
        "with command_line.suppress_stderr():\n    os.write(2, b'noise')\n    {}\n"
    )
    environment = os.environ | {"PYTHONPATH": str(FLAGS.parent)}

    def output(last):
        done = subprocess.run(
            [sys.executable, "-c", code.format(last)], capture_output=True, text=True, env=environment
        )
        return done.stderr

    assert output("pass") == ""
    assert "noise" in output("import json; json.loads('no JSON')")
    assert "noise" not in output("raise ValueError('a message of ours')")


def nested(folder, depth, names=1, last="--epochs=3"):
    """Returns the first of a chain of flag files, each of which names the next."""
    for level in range(depth):
        following = f"--flagfile={folder}/{level + 1}\n" * names if level + 1 < depth else last
        (folder / str(level)).write_text(following)
    return folder / "0"


def test_flag_files_in_flag_files(tmp_path):
    options, given = parse(f"--flagfile={nested(tmp_path, 9)}", "--seed=2")
    assert (options.epochs, options.seed, given) == (3, 2, {"epochs", "seed"})
    path = tmp_path / "indented"
    path.write_text(f"  # a comment\r\n\t--flagfile={tmp_path}/0\r\n\n// another\n--width=0.5")
    options, _ = parse("--flagfile", str(path))
    assert (options.epochs, options.width) == (3, 0.5)


def test_flag_files_are_nested_to_a_limit_and_never_name_each_other(tmp_path):
    with pytest.raises(command_line.UsageError, match=r"10 deep, not each other\. Received: /"):
        parse(f"--flagfile={nested(tmp_path, 11)}")
    (tmp_path / "self").write_text(f"--flagfile={tmp_path}/./self")
    with pytest.raises(command_line.UsageError, match="not each other"):
        parse(f"--flagfile={tmp_path}/self")


def test_flag_files_that_multiply_are_read_to_a_limit(tmp_path):
    with pytest.raises(command_line.UsageError, match="are read at most"):
        parse(f"--flagfile={nested(tmp_path, 10, names=50)}")


def test_large_flag_files_and_pipes_are_refused_wherever_they_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "50 GB").open("wb") as file:
        file.truncate(50 * 2**30)
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    reasons = {"pipe": "no regular file", "50 GB": "53,687,091,200 bytes", "link": "device", "folder": "a folder"}
    for name, reason in reasons.items():
        (tmp_path / "outer").write_text(f"# a recipe\n--flagfile={tmp_path / name}\n")
        for path in (tmp_path / name, tmp_path / "outer"):
            output = rf"^Cannot read the flag file {tmp_path / name}.*{reason}"
            with pytest.raises(command_line.UsageError, match=output) as error:
                parse(f"--flagfile={path}")
            assert str(error.value).endswith("into one.")
            assert ".." not in str(error.value).replace("(...)", "")


def test_a_shells_substitution_is_a_pipe_and_refused():
    words = ["bash", "-c", f"{sys.executable} -m tftransfer.run --dry_run --flagfile=<(echo --epochs=3)"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == command_line.EXIT_BAD_INPUT
    assert "write the output of a pipe such as <(...) into one" in done.stderr


@pytest.mark.parametrize("words", [["--flagfile=/dev/zero"], ["--flagfile", "/dev/zero"], ["--flagfile=a\0b"]])
def test_flag_files_that_never_end_or_cannot_be_opened_are_refused(words):
    with pytest.raises(command_line.UsageError, match="flag file"):
        command_line.parse(RunConfig, ["run", *words], "usage")


def test_an_option_does_not_swallow_the_next_one():
    with pytest.raises(command_line.UsageError, match="--cache_dir has no value"):
        command_line.parse(RunConfig, ["run", "--cache_dir", "--dry_run"], "usage")


def test_want_of_memory_ends_in_one_line(capsys):
    def command(argv):
        raise MemoryError("Training needs about 99.0 GB")

    with pytest.raises(SystemExit) as ended:
        command_line.main(command, ["run"])
    assert ended.value.code == command_line.EXIT_FAILED
    assert capsys.readouterr().err == "python -m tftransfer.run: out of memory. Training needs about 99.0 GB\n"


def test_a_process_that_may_open_no_more_files_is_told_of_that_limit(capsys):
    def command(argv):
        raise OSError(24, "Too many open files", "x")

    with pytest.raises(SystemExit) as ended:
        command_line.main(command, ["run"])
    assert ended.value.code == command_line.EXIT_FAILED
    assert "ulimit -n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["runs_dir", "cache_dir"])
def test_an_empty_folder_is_no_folder(name):
    with pytest.raises(command_line.UsageError, match=f"--{name} is empty"):
        command_line.parse(RunConfig, ["run", f"--{name}="], "usage")
