import collections
import pathlib

import pytest

from tftransfer.experiment import grids, splits
from tftransfer.experiment.config import Config
from tftransfer.experiment.grids import Grid

CONFIG = Config()


def split_of(kind, seed):
    if kind == "random":
        return splits.random_split(10, seed)
    return splits.Split(kind, tuple(range(4)), tuple(range(4, 10)))


def labels(cells):
    return [cell.treatment.label for cell in cells]


def test_a_grid_is_all_combinations_with_their_bases_first():
    cells = grids.union([Grid("BnB,AnB", "1-2")], CONFIG, split_of)
    assert labels(cells[:2]) == ["baseA", "baseB"]
    assert sorted(labels(cells[2:])) == ["A1A", "A1B", "A2A", "A2B", "B1A", "B1B", "B2A", "B2B"]


def test_directions_are_targets_and_roles_are_mirrored():
    cells = grids.union([Grid("AnB,BnB+", "3", targets="A")], CONFIG, split_of)
    assert labels(cells) == ["baseB", "baseA", "B3A", "A3A+"]


def test_axes_multiply():
    grid = Grid("AnB", "all", split_seeds="0-3", seeds="0,5")
    cells = grids.union([grid], CONFIG, split_of)
    assert len(cells) == 4 * 2 * (2 + 2 * 7)
    assert {cell.config.seed for cell in cells} == {0, 5}
    assert {cell.split.name for cell in cells} == {f"random{seed}" for seed in range(4)}
    assert all(cell.config.split_seed == int(cell.split.name[-1]) for cell in cells)


def test_preserved_blocks_and_reduced_data_are_axes():
    cells = grids.union([Grid("AnB", "3", "B", preserve="0,2", images_per_class="0,5")], CONFIG, split_of)
    assert sorted(cell.name for cell in cells) == [
        "random0-A3B-k5-seed0",
        "random0-A3B-keep2-k5-seed0",
        "random0-A3B-keep2-seed0",
        "random0-A3B-seed0",
        "random0-baseA-seed0",
        "random0-baseB-k5-seed0",
        "random0-baseB-seed0",
    ]


def test_release_steps_concern_preserved_blocks_only():
    cells = grids.union([Grid("AnB", "3", "B", preserve="0,2", release_step="0,50")], CONFIG, split_of)
    assert labels(cells)[2:] == ["A3B", "A3B-keep2", "A3B-keep2-from50"]


def test_a_union_holds_every_network_once():
    first, second = Grid("AnB", "1-3", "B"), Grid("AnB,BnB", "3", "B")
    assert labels(grids.union([first, second], CONFIG, split_of)) == ["baseA", "baseB", "A1B", "A2B", "A3B", "B3B"]


def test_controls_are_added_where_asked():
    cells = grids.union([Grid("AnB", "3", "B")], CONFIG, split_of, with_longer_base=True)
    assert labels(cells) == ["baseA", "baseB", "baseB-plusA", "A3B"]


def test_cells_take_what_they_leave_out_from_the_options():
    grid = grids.read("treatments=RnB targets=all", {"n": "1-7", "seeds": "4"})
    assert grid == Grid("RnB", "1-7", "all", seeds="4")
    assert labels(grids.union([grid], CONFIG, split_of))[0] == "baseall"


def test_blocks_may_be_named():
    assert labels(grids.union([Grid("BnB", "conv3,fc6", "B")], CONFIG, split_of)) == ["baseB", "B3B", "B6B"]


def test_blocks_that_only_the_built_model_knows_are_one_network():
    config = Config(model="ResNet50")
    for n in ("all", "conv4_block6,conv5_block1"):
        cells = grids.union([Grid("BnB", n, "B")], config, split_of)
        assert [(cell.treatment.label, cell.treatment.n) for cell in cells] == [("baseB", 0), ("BnB", None)]
    assert labels(grids.union([Grid("BnB", "3,20000", "B")], config, split_of)) == ["baseB", "B3B", "B20000B"]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (lambda: Grid(""), "Bad --treatments"),
        (lambda: Grid("AnC"), "Unknown treatment"),
        (lambda: Grid("BnA", "1"), "written for target B"),
        (lambda: Grid("AnB", "1", "C"), "Bad --targets"),
        (lambda: Grid("AnB", "1", split="halves"), "Bad --split"),
        (lambda: Grid("AnB", "1", seeds=""), "Bad --seeds"),
        (lambda: Grid("AnB", "1", seeds="3-1"), "low to high"),
        (lambda: Grid("AnB", "1", seeds="0-99999999999"), "low to high"),
        (lambda: Grid("AnB", "1", seeds="²"), "Bad --seeds"),
        (lambda: Grid("AnB", "1", seeds="0,,1"), "Bad --seeds"),
        (lambda: grids.read("nonsense", {}), "Bad --cells"),
        (lambda: grids.read("n=1 n=2", {}), "each axis once"),
        (lambda: grids.read("  ", {}), "Empty --cells"),
        (lambda: grids.union([Grid("AnB")], CONFIG, split_of), "needs --n"),
        (lambda: grids.union([Grid("AnB", "8")], CONFIG, split_of), "n must be 1 to 7"),
        (lambda: grids.union([Grid("AnB", "6-7", preserve="2")], CONFIG, split_of), "at most 7"),
        (lambda: grids.union([Grid("AnB+", "1", preserve="2")], CONFIG, split_of), "frozen blocks"),
        (lambda: grids.union([Grid("AnB", "1", "all")], CONFIG, split_of), "no other half"),
        (lambda: grids.union([Grid("AnB", "conv9")], CONFIG, split_of), "Bad --n"),
    ],
)
def test_what_makes_no_sense_is_refused(grid, message):
    with pytest.raises(ValueError, match=message):
        grid()


def test_the_papers_own_study_has_its_networks():
    lines = (pathlib.Path(__file__).parents[2] / "flags/paper_study.flags").read_text(encoding="utf-8").splitlines()
    cells = [line.removeprefix("--cells=") for line in lines if line.startswith("--cells=")]
    found = grids.union([grids.read(text, {}) for text in cells], CONFIG, split_of)
    kinds = collections.Counter(
        (cell.treatment.family, "k" if cell.images_per_class else cell.split.name.rstrip("0123456789"))
        for cell in found
    )
    assert len(found) == 158
    assert kinds == {
        ("base", "random"): 4 + 4 + 1, ("base", "natural_manmade"): 2,
        ("AnB", "random"): 28, ("BnA", "random"): 28, ("AnA", "random"): 28,
        ("AnB+", "random"): 14, ("BnA+", "random"): 14, ("AnA+", "random"): 14,
        ("AnB", "natural_manmade"): 7, ("BnA", "natural_manmade"): 7,
        ("Rnall", "random"): 7,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["9" * 5000, "1-" + "9" * 5000, ",".join(f"{i}00000-{i}99999" for i in range(1, 9))])
def test_numbers_beyond_counting_are_refused(text):
    with pytest.raises(ValueError, match=r"Bad --seeds\. Expected"):
        grids.integers(text, "seeds")


def test_a_grid_beyond_anybodys_time_is_refused_before_it_is_made():
    huge = Grid("AnB,BnB", "1-7", seeds="0-9999", split_seeds="0-9999")
    with pytest.raises(ValueError, match="networks, expected at most"):
        grids.union([huge], Config(), lambda kind, seed: splits.random_split(10, seed))


def test_policies_are_networks_beside_treatments():
    grid = Grid(treatments="AnB", policies="k2t5n1,k*n1", n="1-2", targets="B")
    cells = grids.union([grid], Config(), split_of)
    assert [c.treatment.label for c in cells if not c.treatment.is_base] == ["A1B", "A2B", "A:k2t5n1:B", "A7B"]
    mirrored = grids.union([Grid(policies="k2t5n1", targets="A,B")], Config(), split_of)
    assert {c.treatment.label for c in mirrored} == {"baseA", "baseB", "A:k2t5n1:B", "B:k2t5n1:A"}
    assert not grids.union([Grid(policies="k2t5n1", targets="B")], Config(), split_of, compared=False)[0].compared
    with pytest.raises(ValueError, match="A policy is run lengths"):
        Grid(policies="x")
