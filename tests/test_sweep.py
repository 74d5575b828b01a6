import pytest

from tftransfer import command_line, sweep


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


def test_hours_are_estimated_from_speeds_measured_here(options, capsys, tmp_path):
    from tftransfer import speeds
    from tftransfer.config import Config

    config = Config(cache_dir=str(tmp_path / "cache"), steps=3600)
    speeds.remember(config, "base", 1.0)
    words = ("--treatments=BnB", "--n=1-4", "--directions=B", "--steps=3600", "--dry_run", *options)
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


def test_help_names_all_options(capsys):
    assert run("--help") == 0
    said = capsys.readouterr().out
    for option in ("treatments", "cells", "split_seeds", "group_size", "runner", "retry_failed", "status"):
        assert f"--{option}" in said or f"--[no]{option}" in said


SMALL = ["--width=0.05", "--batch_size=32", "--steps=4", "--warmup_steps=0", "--evaluations=2"]


@pytest.mark.slow
def test_a_whole_sweep_goes_on_from_what_is_done(options, capsys, tmp_path):
    words = [*SMALL, *options]
    assert run("--treatments=BnB,AnB", "--n=1-2", "--directions=B", *words) == 0, "4 updates leave chance? no: sound"
    said = capsys.readouterr().out
    assert "4 networks in lockstep: A1B, A2B, B1B, B2B" in said
    assert "6 done, 0 running, 0 waiting, 0 failed of 6 networks" in said
    assert run("--treatments=BnB,AnB", "--n=1-3", "--directions=B", *words) == 0
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
    words = ["--treatments=BnB", "--n=1", "--directions=B", "--learning_rate=1e30", *SMALL, *options]
    assert run(*words) == command_line.EXIT_FAILED
    said = capsys.readouterr()
    assert "random0-baseB-seed0 diverged at step" in said.err
    assert "random0-B1B-seed0 skipped: its source random0-baseB-seed0 diverged" in said.err
