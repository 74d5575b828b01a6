"""The end of a sweep: exit codes, words and warnings."""

import pytest

import fake_study
from tftransfer.cli import command_line
from tftransfer.records import record_files
from tftransfer.scheduling import scheduler, summary
from tftransfer.scheduling.sweep_folder import SweepFolder


def judged(tmp_path, *networks):
    """Returns the exit code, the faults and the states of a sweep of networks: label, top-1, changes of integrity."""
    states = []
    for label, top1, integrity in networks:
        cell = fake_study.cell(label)
        whole = fake_study.content(cell, top1)
        record = record_files.write(tmp_path / cell.name, whole | {"integrity": whole["integrity"] | integrity})
        state = scheduler.DONE if record.status == record_files.DONE else scheduler.DIVERGED
        states.append(scheduler.State(cell, state, record=record))
    return summary.judge(states), states


@pytest.mark.parametrize(
    ("integrity", "top1", "word", "code"),
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
def test_the_exit_code_says_whether_networks_are_sound_doubtful_or_spoilt(tmp_path, integrity, top1, word, code):
    (exit_code, doubts), _ = judged(tmp_path, ("A4B", top1, integrity), ("B4B", 0.5, {}))
    assert exit_code == code
    assert doubts == ({word: 1} if word else {})


def test_what_was_not_trained_weighs_more_than_what_is_doubtful(tmp_path):
    _, states = judged(tmp_path, ("A4B", 0.05, {"left_chance": False}))
    states.append(scheduler.State(fake_study.cell("B4B"), scheduler.FAILED, "needs 80 GB", word="no memory"))
    states.append(scheduler.State(fake_study.cell("B5B"), scheduler.SKIPPED, "its source diverged"))
    assert summary.judge(states) == (command_line.EXIT_FAILED, {"at chance": 1, "no memory": 1, "skipped": 1})


def test_the_end_names_every_network_with_its_word_the_lost_ones_first(tmp_path, capsys):
    _, states = judged(tmp_path, ("A4B", 0.05, {"left_chance": False}), ("A5B", None, {}))
    states.append(scheduler.State(fake_study.cell("B4B"), scheduler.FAILED, "needs 80 GB", word="no memory"))
    SweepFolder(tmp_path).write_plan([state.cell for state in states])
    assert summary.show(states, tmp_path, 1.0) == command_line.EXIT_FAILED
    output = capsys.readouterr()
    assert "\nno memory: random0-B4B-seed0\n" in output.out, "though nothing of it was kept"
    assert "warnings   1 at chance, 1 diverged, 1 no memory (exit code 3)" in output.out
    assert output.err.splitlines() == [
        "WARNING: random0-B4B-seed0 no memory: needs 80 GB",
        "WARNING: random0-A5B-seed0 diverged at step 7: its loss is no longer finite",
        "WARNING: random0-A4B-seed0 is not shown to be above chance: top-1 5.0 %, chance 5.0 %; on 1000 validation "
        "images it takes 7.6 %; on its training images 5.0 %. Try --learning_rate=0.005 or 0.045",
    ]
