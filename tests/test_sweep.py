import pytest

import fake_study
from tftransfer import sweep
from tftransfer.cli import command_line


@pytest.fixture
def options(tmp_path):
    return [f"--runs_dir={tmp_path / 'runs'}", f"--cache_dir={tmp_path / 'cache'}"]


def run(*words):
    try:
        return sweep.main(["sweep", *words])
    except SystemExit as end:
        return end.code


def test_a_dry_run_refuses_what_the_sweep_would_refuse(options, tmp_path):
    for words, message in (
        (["--batch_size=5000"], "batch is larger than the half"),
        (["--schedule=step", "--drop_steps=999"], "first drop after 999 steps"),
        (["--runs_dir=/proc/nothing"], "Cannot write into the runs folder"),
    ):
        with pytest.raises(ValueError, match=message):
            run("--treatments=BnB", "--n=1", "--dry_run", *options, *words)


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
    output = capsys.readouterr().out
    for option in ("treatments", "cells", "split_seeds", "group_size", "runner", "retry_failed", "status"):
        assert f"--{option}" in output or f"--[no]{option}" in output


def test_help_explains_the_exit_codes(capsys):
    assert run("--help") == 0
    output = capsys.readouterr().out
    assert "3 some are not" in output
    assert "4 all are trained, some with warnings: leak, at chance, overfitted" in output


SMALL = ["--width=0.05", "--batch_size=32", "--steps=4", "--warmup_steps=0", "--evaluations=2"]


@pytest.mark.slow
def test_a_whole_sweep_goes_on_from_what_is_done(options, capsys, tmp_path):
    words = [*SMALL, *options]
    four_steps_are_at_chance = command_line.EXIT_WARNINGS
    assert run("--treatments=BnB,AnB", "--n=1-2", "--targets=B", *words) == four_steps_are_at_chance
    output = capsys.readouterr().out
    assert "at chance: " in output
    assert "4 networks in lockstep: A1B, A2B, B1B, B2B" in output
    assert "6 done, 0 running, 0 waiting, 0 failed of 6 networks" in output
    assert run("--treatments=BnB,AnB", "--n=1-3", "--targets=B", *words) == four_steps_are_at_chance
    output = capsys.readouterr().out
    assert "2 networks in lockstep: A3B, B3B" in output
    assert "(2 trained, 6 there before)" in output
    (study,) = (tmp_path / "runs").iterdir()
    assert sorted(path.name for path in (study / ".sweep/jobs").iterdir()) == [], "jobs that ended well leave nothing"
    assert list(study.glob("events.out.tfevents.*.figure")), "TensorBoard shows the study's figure"
    assert run("--status", *words) == 0
    assert "8 done" in capsys.readouterr().out


@pytest.mark.slow
def test_a_base_that_diverges_is_named_with_what_depends_on_it(options, capsys):
    words = ["--treatments=BnB", "--n=1", "--targets=B", "--learning_rate=1e30", *SMALL, *options]
    assert run(*words) == command_line.EXIT_FAILED
    output = capsys.readouterr()
    assert "random0-baseB-seed0 diverged at step" in output.err
    assert "random0-B1B-seed0 skipped: its source random0-baseB-seed0 diverged" in output.err
