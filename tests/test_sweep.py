import sys
import types

import pytest

import fake_study
from tftransfer import sweep
from tftransfer.cli import command_line
from tftransfer.records import record_files
from tftransfer.scheduling import scheduler
from tftransfer.scheduling.sweep_folder import SweepFolder


@pytest.fixture
def options(tmp_path):
    return [f"--runs_dir={tmp_path / 'runs'}", f"--cache_dir={tmp_path / 'cache'}"]


def run(*words):
    try:
        return sweep.main(["sweep", *words])
    except SystemExit as end:
        return end.code


def test_a_dry_run_counts_networks_and_writes_nothing(options, capsys, tmp_path):
    assert run("--treatments=BnB,AnB", "--n=1-7", "--split_seeds=0-3", "--dry_run", *options) == 0
    said = capsys.readouterr().out
    rows = {line[:42].strip(): line[42:].split() for line in said.splitlines() if line[42:].split()}
    assert rows["base, random"] == ["8", "0", "8", "0"]
    assert rows["AnB, random"] == ["56", "0", "56", "0"]
    assert rows["all"] == ["120", "0", "120", "0"]
    assert "not known: `python -m tftransfer.bench`" in said
    assert "disk" in said
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_refuses_what_the_sweep_would_refuse(options, tmp_path):
    for words, message in (
        (["--batch_size=5000"], "batch is larger than the half"),
        (["--schedule=step", "--drop_steps=999"], "first drop after 999 steps"),
        (["--runs_dir=/proc/nothing"], "Cannot write into the runs folder"),
    ):
        with pytest.raises(ValueError, match=message):
            run("--treatments=BnB", "--n=1", "--dry_run", *options, *words)


def test_a_dry_run_names_classes_and_updates(options, capsys):
    assert run("--treatments=BnB", "--n=1", "--dry_run", "--steps=7", "--split=natural_manmade", *options) == 0
    said = capsys.readouterr().out
    assert "half A    20 classes\n          arrow, bottle, brick_wall, car, chain and 15 more" in said
    assert "8,000 for training (200 a class), 2,000 for validation (50 a class)" in said
    assert "7 steps of 64 images" in said
    assert "caution   baseA gets 7 steps, which may be too few" in said


@pytest.mark.parametrize("n", ["all", "conv4_block6,conv5_block1"])
def test_networks_of_a_model_that_is_not_built_are_not_counted(n, options, capsys):
    assert run("--treatments=BnB", f"--n={n}", "--model=ResNet50", "--dry_run", *options) == 0
    said = capsys.readouterr().out
    assert said.count("not known before the model is built") == 3, "the row, the sum and the time"
    assert run("--treatments=BnB", "--n=1-3", "--model=ResNet50", "--dry_run", *options) == 0
    assert "not known before" not in capsys.readouterr().out, "numbers can be counted"


def test_hours_are_estimated_from_speeds_measured_here(options, capsys, tmp_path):
    from tftransfer.experiment.config import Config
    from tftransfer.scheduling import speeds

    config = Config(cache_dir=str(tmp_path / "cache"), steps=3600)
    speeds.remember(config, "base", 1.0)
    words = ("--treatments=BnB", "--n=1-4", "--targets=B", "--steps=3600", "--dry_run", *options)
    run(*words)
    assert "at most 5.0 h on this machine" in capsys.readouterr().out, "frozen networks were never measured"
    speeds.remember(config, "lockstep", 1.0, networks=4)
    run(*words)
    assert "about 2.0 h on this machine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Which networks?"),
        (["--treatments=BnB"], "needs --n"),
        (["--treatments=BnB", "--n=9"], "n must be 1 to 7"),
        (["--treatments=XnB", "--n=1"], "Unknown treatment"),
        (["--treatments=BnB", "--n=1", "--seed=3"], "In a sweep say --seeds"),
        (["--treatments=BnB", "--n=1", "--split_seed=3"], "In a sweep say --split_seeds"),
        (["--treatments=BnB", "--n=1", "--ray_address=a:1"], "needs --runner=ray"),
        (["--treatments=BnB", "--n=1", "--release_step=5"], "it needs --preserve"),
        (
            ["--treatments=BnB", "--n=1", "--preserve=2", "--release_step=5", "--optimizer=adamw"],
            "--release_step needs --optimizer=sgd",
        ),
        (["--treatments=BnB", "--n=1", "--images_per_class=some"], "Bad --images_per_class"),
        (["--treatments=BnB", "--n=1", "--group_size=-1"], "Bad --group_size"),
        (["--treatments=BnB", "--n=1", "--dataset=nonsense"], "nonsense"),
        (["--cells=treatments=BnB n=1", "--cells=n=7 x=2"], "Bad --cells"),
        (["--status"], "holds no study"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(words, message, options, tmp_path):
    with pytest.raises(ValueError, match=message):
        run(*words, *options)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("named", ["runs/mine", "{}/runs/mine", "runs/mine/", "mine"])
def test_the_status_of_a_study_is_told_from_its_folder(named, tmp_path, monkeypatch, capsys):
    fake_study.write(tmp_path / "runs" / "mine", "base", 0.5, target="B")
    monkeypatch.chdir(tmp_path)
    assert run("--status", f"--study={named.format(tmp_path)}") == 0
    assert capsys.readouterr().out.startswith("mine: 1 done")


def test_the_status_of_the_folder_that_one_is_in(tmp_path, monkeypatch, capsys):
    fake_study.write(tmp_path / "mine", "base", 0.5, target="B")
    monkeypatch.chdir(tmp_path / "mine")
    assert run("--status", "--study=.") == 0
    assert capsys.readouterr().out.startswith("mine: 1 done")


def test_only_to_look_at_a_study_is_a_path_its_name(options):
    with pytest.raises(ValueError, match=r"Bad --study .*no '.' first"):
        run("--treatments=BnB", "--n=1", "--study=runs/mine", *options)
    with pytest.raises(ValueError, match=r"Bad --study .*NUL"):
        run("--status", "--study=a\0b", *options)


def test_help_names_all_options(capsys):
    assert run("--help") == 0
    said = capsys.readouterr().out
    for option in ("treatments", "cells", "split_seeds", "group_size", "runner", "retry_failed", "status"):
        assert f"--{option}" in said or f"--[no]{option}" in said


def judged(tmp_path, *found):
    """Returns what a sweep says that ended with networks which are (label, top-1, what differs in their integrity)."""
    states = []
    for label, top1, integrity in found:
        cell = fake_study.cell(label)
        whole = fake_study.content(cell, top1)
        record = record_files.write(tmp_path / cell.name, whole | {"integrity": whole["integrity"] | integrity})
        state = scheduler.DONE if record.status == record_files.DONE else scheduler.DIVERGED
        states.append(scheduler.State(cell, state, record=record))
    return sweep._judged(states), states


@pytest.mark.parametrize(
    ("integrity", "top1", "warning", "code"),
    [
        ({}, 0.5, None, 0),
        ({"left_chance": False}, 0.05, "at chance", command_line.EXIT_WARNINGS),
        ({"target_classes_seen_by_source": 1}, 0.5, "leak", command_line.EXIT_WARNINGS),
        ({"class_images": {"validation": [1, 4]}}, 0.5, "unbalanced", command_line.EXIT_WARNINGS),
        ({"fine_tuned_blocks_moved": False}, 0.5, "not tuned", command_line.EXIT_WARNINGS),
        ({}, None, "diverged", command_line.EXIT_FAILED),
        ({"frozen_blocks_unchanged": False}, 0.5, "not frozen", command_line.EXIT_FAILED),
    ],
    ids=str,
)
def test_the_exit_code_says_whether_networks_are_sound_doubtful_or_spoilt(tmp_path, integrity, top1, warning, code):
    (found, codes), _ = judged(tmp_path, ("A4B", top1, integrity), ("B4B", 0.5, {}))
    assert found == code
    assert codes == ({warning: 1} if warning else {})


def test_what_was_not_trained_weighs_more_than_what_is_doubtful(tmp_path):
    _, states = judged(tmp_path, ("A4B", 0.05, {"left_chance": False}))
    states.append(scheduler.State(fake_study.cell("B4B"), scheduler.FAILED, "needs 80 GB", word="no memory"))
    states.append(scheduler.State(fake_study.cell("B5B"), scheduler.SKIPPED, "its source diverged"))
    assert sweep._judged(states) == (command_line.EXIT_FAILED, {"at chance": 1, "no memory": 1, "skipped": 1})


def test_the_end_names_every_network_with_its_word_the_lost_ones_first(tmp_path, capsys):
    _, states = judged(tmp_path, ("A4B", 0.05, {"left_chance": False}), ("A5B", None, {}))
    states.append(scheduler.State(fake_study.cell("B4B"), scheduler.FAILED, "needs 80 GB", word="no memory"))
    SweepFolder(tmp_path).write_plan([state.cell for state in states])
    ended = types.SimpleNamespace(states={state.cell.name: state for state in states})
    assert sweep._end(ended, tmp_path, 1.0) == command_line.EXIT_FAILED
    said = capsys.readouterr()
    assert "\nno memory: random0-B4B-seed0\n" in said.out, "though nothing of it was kept"
    assert "warnings   1 at chance, 1 diverged, 1 no memory (exit code 3)" in said.out
    assert said.err.splitlines() == [
        "WARNING: random0-B4B-seed0 no memory: needs 80 GB",
        "WARNING: random0-A5B-seed0 diverged at step 7: its loss is no longer finite",
        "WARNING: random0-A4B-seed0 is not shown to be above chance: top-1 5.0 %, chance 5.0 %; on 1000 validation "
        "images it takes 7.6 %; on its training images 5.0 %. Try --learning_rate=0.005 or 0.045",
    ]


def test_help_explains_the_exit_codes(capsys):
    assert run("--help") == 0
    said = capsys.readouterr().out
    assert "3 some are not" in said
    assert "4 all are trained, some with warnings: leak, at chance, overfitted" in said


SMALL = ["--width=0.05", "--batch_size=32", "--steps=4", "--warmup_steps=0", "--evaluations=2"]


@pytest.mark.slow
def test_a_whole_sweep_goes_on_from_what_is_done(options, capsys, tmp_path):
    words = [*SMALL, *options]
    four_steps_are_at_chance = command_line.EXIT_WARNINGS
    assert run("--treatments=BnB,AnB", "--n=1-2", "--targets=B", *words) == four_steps_are_at_chance
    said = capsys.readouterr().out
    assert "at chance: " in said
    assert "4 networks in lockstep: A1B, A2B, B1B, B2B" in said
    assert "6 done, 0 running, 0 waiting, 0 failed of 6 networks" in said
    assert run("--treatments=BnB,AnB", "--n=1-3", "--targets=B", *words) == four_steps_are_at_chance
    said = capsys.readouterr().out
    assert "2 networks in lockstep: A3B, B3B" in said
    assert "(2 trained, 6 there before)" in said
    (study,) = (tmp_path / "runs").iterdir()
    assert sorted(path.name for path in (study / ".sweep/jobs").iterdir()) == [], "jobs that ended well leave nothing"
    assert list(study.glob("events.out.tfevents.*.figure")), "TensorBoard shows the study's figure"
    assert run("--status", *words) == 0
    assert "8 done" in capsys.readouterr().out


@pytest.mark.slow
def test_a_base_that_diverges_is_named_with_what_depends_on_it(options, capsys):
    words = ["--treatments=BnB", "--n=1", "--targets=B", "--learning_rate=1e30", *SMALL, *options]
    assert run(*words) == command_line.EXIT_FAILED
    said = capsys.readouterr()
    assert "random0-baseB-seed0 diverged at step" in said.err
    assert "random0-B1B-seed0 skipped: its source random0-baseB-seed0 diverged" in said.err


def test_a_preparing_process_that_is_killed_is_told_of(options, tmp_path, monkeypatch, capsys):
    code = "import os; os.kill(os.getpid(), 9)"
    monkeypatch.setattr(sweep.processes, "words", lambda *_: [sys.executable, "-c", code])
    with pytest.raises(SystemExit) as ended:
        sweep.main(["sweep.py", "--treatments=base", *options])
    assert ended.value.code == command_line.EXIT_FAILED
    said = capsys.readouterr().err
    assert "prepares the images was ended by signal 9 (SIGKILL), as a system out of memory does" in said
