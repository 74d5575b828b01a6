import pytest

from tftransfer import plan, splits, treatments
from tftransfer.config import Config
from tftransfer.plan import Cell

SPLIT = splits.random_split(10, 0)


def cell(text="A4B+", **options):
    target = "B" if text == "base" else None
    return Cell(treatments.parse(text, target=target), SPLIT, Config(**options))


def test_names_show_what_is_not_default():
    assert cell().name == "random0-A4B-tuned-seed0"
    assert cell("base").name == "random0-baseB-seed0"
    assert cell("B4B", seed=3, images_per_class=100).name == "random0-B4B-k100-seed3"


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
    assert [(step.cell.treatment.label, step.role) for step in plan.steps_for(cell(text))] == expected


def test_identity_holds_what_decides_and_nothing_else():
    def identity(network, fingerprint="f"):
        return network.identity(fingerprint, {"key": "k", "weights": "w"})

    first = identity(cell())
    assert identity(cell(runs_dir="elsewhere", strategy="one_device", keep_weights=True, cache_dir="c")) == first
    for other in (identity(cell("A5B+")), identity(cell("A4B")), identity(cell(seed=1)), identity(cell(), "g"),
                  identity(cell(learning_rate=0.5)), cell().identity("f", None)):  # fmt: skip
        assert other != first


def test_half_sizes_are_checked():
    assert plan.check_half_sizes(cell(batch_size=10), [20] * 10) == 100
    assert plan.check_half_sizes(cell(batch_size=10, images_per_class=4), [20] * 10) == 20
    with pytest.raises(ValueError, match="batch is larger than the half"):
        plan.check_half_sizes(cell(batch_size=64), [5] * 10)
    with pytest.raises(ValueError, match="No class has so many"):
        plan.check_half_sizes(cell(images_per_class=21), [20] * 10)
