import pytest

from tftransfer.experiment.config import Config
from tftransfer.scheduling import sweep_config
from tftransfer.scheduling.sweep_config import SweepConfig

NAMES = [f"class{number}" for number in range(8)]


def labels(options, given=()):
    asked = sweep_config.grids_of(options, set(given))
    return [cell.treatment.label for cell in sweep_config.cells_of(options, asked, NAMES, [None] * 8)]


def test_networks_of_a_grid_come_with_the_bases_that_they_copy_from():
    assert sorted(labels(SweepConfig(treatments="AnB", n="1-2", targets="B"))) == ["A1B", "A2B", "baseA", "baseB"]


def test_cells_are_grids_of_their_own_beside_no_other():
    options = SweepConfig(cells=("treatments=BnB n=1 targets=B", "treatments=base targets=A"))
    assert sorted(labels(options)) == ["B1B", "baseA", "baseB"]


def test_networks_share_all_options_but_the_axes():
    options = SweepConfig(treatments="BnB", n="1", learning_rate=0.5, images_per_class="10,0", seeds="3")
    common = options.common()
    assert common["learning_rate"] == 0.5
    assert not {"images_per_class", "seeds", "treatments", "split"} & set(common)
    assert Config(**common).images_per_class == 0


def test_a_study_is_named_after_all_kinds_of_split_in_it(tmp_path):
    options = SweepConfig(
        cells=("treatments=base split=random", "treatments=base split=natural_manmade"), runs_dir=str(tmp_path)
    )
    assert sweep_config.study_folder(options, set()).name.startswith("motifs-AlexNet-random-natural_manmade-")


def test_the_study_whose_status_is_asked_may_be_a_name_or_a_path(tmp_path):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    runs = str(tmp_path / "runs")
    for study in ("mine", str(tmp_path / "runs" / "mine")):
        options = SweepConfig(status=True, study=study, runs_dir=runs)
        assert sweep_config.study_folder(options, set()) == tmp_path / "runs" / "mine"


@pytest.mark.parametrize(
    ("options", "given", "message"),
    [
        ({"treatments": "BnB", "n": "1"}, {"seed"}, "In a sweep say --seeds"),
        ({"treatments": "BnB", "n": "1", "ray_address": "host:1"}, set(), "needs --runner=ray"),
        ({}, set(), "Which networks?"),
        ({"treatments": "BnB", "n": "1", "momentum": 0.5, "optimizer": "adamw"}, {"momentum"}, "would change nothing"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, given, message):
    with pytest.raises(ValueError, match=message):
        sweep_config.grids_of(SweepConfig(**options), given)


def test_pretrained_weights_stand_in_for_the_bases_that_are_copied_from():
    options = SweepConfig(
        treatments="AnB,RnB,base", n="1", split="random", pretrained="x.keras", pretrained_preprocessing="torch"
    )
    asked = sweep_config.grids_of(options, set())
    cells = sweep_config.cells_of(options, asked, NAMES, [None] * 8, pretrained="1a2b3c4d" * 8)
    names = [cell.treatment.label for cell in cells]
    assert set(names[:2]) == {"baseA", "baseB"}, "bases first"
    assert sorted(names[2:]) == ["A1B-w1a2b3c4d", "B1A-w1a2b3c4d", "R1A", "R1B"]
    assert {cell.config.recipe()["preprocessing"] for cell in cells} == {"torch"}, "the scratch bases' input, too"
    only = SweepConfig(treatments="AnB", n="1", targets="B", pretrained="x.keras", base="yes")
    cells = sweep_config.cells_of(only, sweep_config.grids_of(only, set()), NAMES, [None] * 8, pretrained="1" * 64)
    assert [cell.treatment.label for cell in cells] == ["baseB", "A1B-w11111111"], "no base of A"
    without = SweepConfig(treatments="AnB", n="1", pretrained="x.keras")
    cells = sweep_config.cells_of(
        without, sweep_config.grids_of(without, set()), NAMES, [None] * 8, pretrained="1" * 64
    )
    assert [cell.treatment.label for cell in cells] == ["A1B-w11111111"], "a base from scratch is seldom wanted"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"treatments": "AnB", "budget": "equal_total"}, "how long the weights of --pretrained were trained is not known"),
     ({"treatments": "base,RnB"}, r"it goes with AnB, AnB.*Received: --treatments=base,RnB")],
)  # fmt: skip
def test_pretrained_weights_that_nothing_copies_are_refused(options, message):
    config = SweepConfig(n="1", pretrained="x.keras", **options)
    with pytest.raises(ValueError, match=message):
        sweep_config.cells_of(config, sweep_config.grids_of(config, set()), NAMES, [None] * 8, pretrained="1" * 64)
