import dataclasses

import pytest

from tests.support.made_images import write_photographs
from tftransfer.data import datasets
from tftransfer.experiment import pairs, plan, splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.experiment.plan import Cell

NAMES = tuple("abcdef")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("photographs"), classes=3)


def two_sets(photographs, **options):
    return Config(dataset="folder", data_dir=str(photographs), source_dataset="motifs", image_size=32, **options)


def cell(text, config, split):
    return Cell(treatments.parse(text, target="B" if text == "base" else None), split, config)


def test_classes_of_the_target_come_first(photographs):
    config = two_sets(photographs)
    names, kinds = pairs.describe_classes(config)
    motifs = datasets.describe_classes("motifs")[0]
    assert (names[3:], len(names), len(kinds)) == (motifs, 43, 43)
    split = pairs.split_of(config, names, kinds)
    assert (split.name, split.b, split.a) == ("from-motifs", (0, 1, 2), tuple(range(3, 43)))
    assert split.is_whole


def test_halves_stay_as_they_were():
    config = Config()
    assert config.split == "random"
    names, kinds = pairs.describe_classes(config)
    assert pairs.split_of(config, names, kinds) == splits.make("random", names, kinds)
    assert pairs.split_of(config, names, kinds, split_seed=3) == splits.make("random", names, kinds, 3)
    assert not pairs.split_of(config, names, kinds).is_whole


def test_without_a_source_set_b_is_everything():
    split = pairs.split_of(Config(split="none"), NAMES, None)
    assert (split.name, split.a, split.b, split.is_whole) == ("whole", (), (0, 1, 2, 3, 4, 5), True)
    with pytest.raises(ValueError, match="B has 1 class"):
        pairs.split_of(Config(split="none"), NAMES[:1], None)


def test_a_and_b_are_said_once(photographs):
    assert two_sets(photographs).split == "none"
    with pytest.raises(ValueError, match="there are no halves"):
        two_sets(photographs, split="random")
    for given, options in (("source_dir", {}), ("source_dir", {"source_dataset": "motifs"})):
        with pytest.raises(ValueError, match="--source_dir would change nothing"):
            Config(source_dir="x", **options).refuse_unused({given})


def test_two_data_sets_are_another_study_and_another_recipe(photographs):
    config = two_sets(photographs)
    alone = dataclasses.replace(config, source_dataset="", split="none")
    assert config.recipe() == alone.recipe() | {"source_dataset": "motifs"}
    assert config.study_name().startswith("folder-AlexNet-from-motifs-")
    assert alone.study_name().startswith("folder-AlexNet-from-weights-")


def test_transfer_goes_from_a_to_b(photographs):
    config = two_sets(photographs)
    split = pairs.split_of(config, *pairs.describe_classes(config))
    network = cell("A4B+", config, split)
    assert (network.classes, network.source_classes) == (split.b, split.a)
    assert [base.name for base in network.waits_for()] == ["from-motifs-baseA-seed0", "from-motifs-baseB-seed0"]
    for text in ("B4A", "A4A", "R4all"):
        with pytest.raises(ValueError, match="networks are trained on B"):
            cell(text, config, split)


def test_weights_or_a_source_set_must_be_there_to_copy_from():
    config = Config(split="none")
    split = pairs.split_of(config, NAMES, None)
    with pytest.raises(ValueError, match="There is nothing to copy from"):
        cell("A4B", config, split)
    copied = dataclasses.replace(treatments.parse("A4B"), pretrained="1a2b3c4d" * 8)
    assert Cell(copied, split, config).name == "whole-A4B-w1a2b3c4d-seed0"
    assert [base.treatment.label for base in cell("B4B", config, split).waits_for()] == ["baseB"]


def test_head_only_stands_beside_what_trains_more(photographs):
    config = two_sets(photographs)
    split = pairs.split_of(config, *pairs.describe_classes(config))

    def planned(text, **changes):
        network = dataclasses.replace(cell(text, config, split), **changes)
        return [(step.cell.treatment.label, step.role) for step in plan.networks_for(network, blocks=8)]

    assert planned("A:k3t4n1:B") == [
        ("baseA", "source"), ("baseB", "reference"), ("A7B", "head only"), ("A:k3t4n1:B", "asked"),
    ]  # fmt: skip
    assert planned("A7B", compared=False) == [("baseA", "source"), ("A7B", "asked")]
    assert planned("base") == [("baseB", "asked")]
    halves = Cell(treatments.parse("A4B"), splits.random_split(10, 0), Config())
    assert [step.role for step in plan.networks_for(halves, blocks=8)] == ["source", "reference", "asked"]


def test_without_a_base_nothing_is_compared_and_nothing_else_changes():
    network = Cell(treatments.parse("A4B"), splits.random_split(10, 0), Config())
    alone = dataclasses.replace(network, compared=False)
    assert (alone.reference, [base.treatment.label for base in alone.waits_for()]) == (None, ["baseA"])
    assert alone.identity("f", None) == network.identity("f", None)
    assert Cell.from_json(alone.as_json()) == alone
    selffer = dataclasses.replace(alone, treatment=treatments.parse("B4B"))
    assert [base.treatment.label for base in selffer.waits_for()] == ["baseB"], "its source is trained all the same"
