import numpy as np
import pytest

import fake_study
from tftransfer.reporting import collected, drawing, policy_figure


@pytest.fixture(scope="module", params=[True, False], ids=["with bases", "without"])
def pair(request, tmp_path_factory):
    """Returns a report on pretrained weights, and whether there are bases."""
    study = tmp_path_factory.mktemp("pair")
    fake_study.write_pair(study, base=request.param)
    return collected.collect(str(study), []), request.param


def test_policies_that_are_no_curve_over_n_stand_one_below_the_other(pair):
    report, with_bases = pair
    canvas = policy_figure.policies(report.main, report.looks)
    (axes,) = canvas.figure.axes
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert len(names) == len(set(names)) == 25
    assert "A:k2t1k4n1:B\nblocks 1 to 2 kept, 3 tuned, 4 to 7 kept" in names
    assert "A1B\nfirst block kept, the rest new" in names
    assert all(("no base" in tip) != with_bases and "95 % interval" in tip for tip in canvas.tips.values())
    assert axes.get_xlabel() == ("top-1 minus own base, percentage points" if with_bases else "top-1, %")


def test_curves_over_n_are_without_them(pair):
    report, with_bases = pair
    drawn = drawing.draw(report)
    assert set(drawn) == {"figure2-whole", "policies-whole", "curves", *(["paired-whole"] if with_bases else [])}
    (legend,) = drawn["figure2-whole"].canvas.figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert "A:ktn:B: first n blocks kept, the rest tuned, from weights 1a2b3c4d" in texts
    assert not [text for text in texts if "k2t1k4n1" in text or "co-adaptation" in text]
    bottom = drawn["figure2-whole"].canvas.figure.axes[1]
    assert next(label.get_text() for label in bottom.get_xticklabels()) == ("base" if with_bases else "1")


def test_no_policy_is_joined_to_the_base(pair):
    report, _ = pair
    bottom = drawing.draw(report)["figure2-whole"].canvas.figure.axes[1]
    lines = [line for line in bottom.lines if len(line.get_xdata()) > 2]
    starts = {line.get_color(): float(np.min(line.get_xdata())) for line in lines}
    looks = {curve.treatment.partition("-w")[0]: report.looks[curve].colour for curve in report.looks._more}
    assert starts[looks["A:ktn:B"]] > 0.5
