import json

import pytest

from tftransfer.experiment import plan, splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.experiment.plan import Cell
from tftransfer.records import record_files

SPLIT = splits.random_split(10, 0)


def cell(text="A4B+", **options):
    target = "B" if text == "base" else None
    return Cell(treatments.parse(text, target=target), SPLIT, Config(**options))


def test_names_show_what_is_not_default():
    assert cell().name == "random0-A4B-tuned-seed0"
    assert cell("base").name == "random0-baseB-seed0"
    assert cell("B4B", seed=3, images_per_class=100).name == "random0-B4B-k100-seed3"


def test_blocks_cannot_wait_where_the_optimizer_does_not_hold_them():
    treatment = treatments.parse("A2B", preserve=2, release_step=5)
    with pytest.raises(ValueError, match=r"--release_step needs --optimizer=sgd. Received: --release_step=5"):
        Cell(treatment, SPLIT, Config(optimizer="adamw"))
    assert Cell(treatment, SPLIT, Config()).treatment == treatment


def test_sources_and_references():
    network = cell("A4B")
    assert network.source.name == "random0-baseA-seed0"
    assert network.reference.name == "random0-baseB-seed0"
    assert (network.classes, network.source_classes) == (SPLIT.b, SPLIT.a)
    assert cell("R4B").source is None
    assert cell("R4B").source_classes == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base", [("baseB", "asked")]),
        ("B4B", [("baseB", "source"), ("B4B", "asked")]),
        ("A4B", [("baseA", "source"), ("baseB", "reference"), ("A4B", "asked")]),
        ("R4A", [("baseA", "reference"), ("R4A", "asked")]),
    ],
)
def test_steps_are_in_order_with_reasons(text, expected):
    assert [(step.cell.treatment.label, step.role) for step in plan.networks_for(cell(text))] == expected


def test_identity_holds_what_decides_and_nothing_else():
    def identity(network, fingerprint="f"):
        return network.identity(fingerprint, {"key": "k", "weights": "w"})

    first = identity(cell())
    assert identity(cell(runs_dir="elsewhere", strategy="one_device", keep_weights=True, cache_dir="c")) == first
    for other in (identity(cell("A5B+")), identity(cell("A4B")), identity(cell(seed=1)), identity(cell(), "g"),
                  identity(cell(learning_rate=0.5)), cell().identity("f", None)):  # fmt: skip
        assert other != first


def test_recipes_are_checked_against_the_images():
    plan.check_recipe(cell(batch_size=10), [20] * 10)
    assert plan.training_images(cell(images_per_class=4), [20] * 9 + [2]) == 4 * 4 + 2, "class 9 is in B"
    with pytest.raises(ValueError, match="batch is larger than the half"):
        plan.check_recipe(cell(batch_size=64), [5] * 10)
    with pytest.raises(ValueError, match="No class has that many"):
        plan.check_recipe(cell(images_per_class=21), [20] * 10)
    staged = treatments.parse("A3B", preserve=2, release_step=10)
    with pytest.raises(ValueError, match="would never train"):
        plan.check_recipe(Cell(staged, SPLIT, Config(steps=10)), [20] * 10)


def test_the_control_base_gets_the_steps_of_both_halves():
    network = cell("A4B", batch_size=10, epochs=2.0, schedule="step", drop_epochs=1.0)
    control = network.longer_base
    assert control.name == "random0-baseB-plusA-seed0"
    assert control.waits_for()[0].name == "random0-baseB-seed0"
    per_class = [10 if index in SPLIT.a else 20 for index in range(10)]
    config = control.training_config(per_class)
    assert config.train_steps(100) == 20 + 10
    assert config.steps_between_drops(100) == 15, "the schedule is stretched"
    assert config.warmup_steps == 1.5 * network.config.warmup_steps
    assert network.training_config(per_class) == network.config
    assert cell("R4B").longer_base is None
    labels = [step.cell.treatment.label for step in plan.networks_for(network, with_longer_base=True)]
    assert labels == ["baseA", "baseB", "baseB-plusA", "A4B"]


def test_identities_of_standard_and_longer_bases_differ():
    assert cell("base").identity("f", None) != cell("B4B").longer_base.identity("f", None)


def test_reduced_data_is_about_the_target_only():
    network = cell("A4B", images_per_class=5)
    assert network.source.name == "random0-baseA-seed0", "the other half's base sees all its images"
    assert network.reference.name == "random0-baseB-k5-seed0"
    assert cell("B4B", images_per_class=5).source.name == "random0-baseB-k5-seed0"
    assert network.config.study_name() == cell("A4B").config.study_name(), "reduced data is an axis of a study"
    assert network.identity("f", None) != cell("A4B").identity("f", None)


def test_cells_travel_as_plain_data():
    network = cell("A4B", images_per_class=3, seed=7, learning_rate=0.1)
    assert Cell.from_json(json.loads(json.dumps(network.as_json()))) == network


def test_validation_images_without_copies_are_others():
    identity, without = (cell("A4B", exclude_duplicates=which).identity("f", None) for which in (False, True))
    assert record_files.key(identity) != record_files.key(without)
    assert "exclude_duplicates" not in identity, "keys of older records stay as they are"


def test_each_part_of_an_identity_decides_alone(monkeypatch):
    """Even where nothing else differs: two splits of one name, another protocol, another architecture."""
    network = cell("A4B")
    first = network.identity("f", None, {"sha256": "a"})
    exchanged = Cell(network.treatment, splits.Split(SPLIT.name, SPLIT.b, SPLIT.a), network.config)
    others = [exchanged.identity("f", None, {"sha256": "a"}), network.identity("f", None, {"sha256": "b"})]
    others.append(network.identity("f", None))
    monkeypatch.setattr(plan, "PROTOCOL", plan.PROTOCOL + 1)
    others.append(network.identity("f", None, {"sha256": "a"}))
    keys = {record_files.key(identity) for identity in (first, *others)}
    assert len(keys) == 5
