import itertools

import numpy as np
from many_curves import FOREIGN, NEW
from matplotlib.colors import to_rgb

from tftransfer.reporting import (
    looks,
)
from tftransfer.reporting.looks import Curve


def test_every_curve_has_a_look_and_a_name_of_its_own(report):
    curves = looks.curves(report.main)
    assert set(curves) == {Curve("base"), Curve("AnB"), Curve("BnB"), *NEW}
    assert len({report.looks[curve] for curve in curves}) == len(curves)
    assert len({report.looks[curve].colour for curve in curves}) == len(curves)
    assert len({curve.meaning for curve in curves}) == len({curve.name for curve in curves}) == len(curves)
    assert Curve(f"AnB+-w{FOREIGN[:8]}").meaning == "AnB+ of weights 1a2b3c4d"
    assert Curve("AnB", 2, 500).meaning == "AnB, 2 preserved, released at step 500"


def test_colours_are_far_from_each_other_and_dark_enough_on_white():
    colours = [*set(looks.COLOURS.values()), *looks._MORE_COLOURS]
    for one, two in itertools.combinations(colours, 2):
        assert np.abs(np.subtract(to_rgb(one), to_rgb(two))).sum() > 0.2, (one, two)
    assert all(np.mean(to_rgb(colour)) < 0.7 for colour in colours)


def test_as_many_curves_as_there_may_be_are_told_apart():
    import pandas as pd

    table = pd.DataFrame({"treatment": "AnB", "preserve": range(1, 73), "release_step": 0})
    found = looks.Looks(table)
    assert len({found[curve] for curve in looks.curves(table)}) == 72
