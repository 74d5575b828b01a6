"""What is told of a training: its stages, and its evaluations as they come."""

from easy_study import cell
from tftransfer.execution import studies


def test_what_takes_long_before_the_first_evaluation_is_told(tmp_path, store):
    stages, said = [], []
    study = studies.Study(tmp_path, store, say=said.append, stage=stages.append)
    study.train_group([cell("base")])
    assert [text.partition(",")[0] for text in stages] == [
        "building the network", "compiling the first step", "first step done", "scoring all validation images",
    ]  # fmt: skip
    assert said[1:3] == ["baseB: building the network", "baseB: compiling the first step"]


def test_evaluations_are_told_as_they_come(tmp_path, store):
    seen = []
    study = studies.Study(
        tmp_path,
        store,
        say=lambda line: None,
        on_evaluation=lambda step, steps, rows: seen.append((step, steps, list(rows))),
    )
    study.train_group([cell("base", evaluations=3)])
    assert seen == [(step, 3, ["random0-baseB-seed0"]) for step in (1, 2, 3)]
