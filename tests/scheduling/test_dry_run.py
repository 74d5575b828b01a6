"""Networks, hours and disk of a sweep that is not trained."""

import pytest

from tftransfer import sweep


@pytest.fixture
def options(tmp_path):
    return [f"--runs_dir={tmp_path / 'runs'}", f"--cache_dir={tmp_path / 'cache'}"]


def run(*words):
    return sweep.main(["sweep", *words])


def test_a_dry_run_counts_networks_and_writes_nothing(options, capsys, tmp_path):
    assert run("--treatments=BnB,AnB", "--n=1-7", "--split_seeds=0-3", "--dry_run", *options) == 0
    output = capsys.readouterr().out
    rows = {line[:42].strip(): line[42:].split() for line in output.splitlines() if line[42:].split()}
    assert rows["base, random"] == ["8", "0", "8", "0"]
    assert rows["AnB, random"] == ["56", "0", "56", "0"]
    assert rows["all"] == ["120", "0", "120", "0"]
    assert "not known: `python -m tftransfer.bench`" in output
    assert "disk" in output
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_names_classes_and_steps(options, capsys):
    assert run("--treatments=BnB", "--n=1", "--dry_run", "--steps=7", "--split=natural_manmade", *options) == 0
    output = capsys.readouterr().out
    assert "half A    20 classes\n          arrow, bottle, brick_wall, car, chain and 15 more" in output
    assert "8,000 for training (200 a class), 2,000 for validation (50 a class)" in output
    assert "7 steps of 64 images" in output
    assert "caution   baseA gets 7 steps, which may be too few" in output


@pytest.mark.parametrize("n", ["all", "conv4_block6,conv5_block1"])
def test_networks_of_a_model_that_is_not_built_are_not_counted(n, options, capsys):
    assert run("--treatments=BnB", f"--n={n}", "--model=ResNet50", "--dry_run", *options) == 0
    output = capsys.readouterr().out
    assert output.count("not known before the model is built") == 3, "the row, the sum and the time"
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
