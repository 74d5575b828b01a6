import pytest

import fake_study
from tftransfer.reporting import (
    collected,
    drawing,
    relative_figure,
)


def drawn(study, **options):
    return drawing.draw(collected.collect(str(study), [], **options))


@pytest.fixture(scope="module")
def paper():
    return collected.collect("paper", [])


def test_figure_3_shows_both_directions_and_random_filters(paper):
    found = {
        label: [round(100 * float(value), 1) for value in item.table.sort_values("n")["minus_base"]]
        for label, item in relative_figure.curves(paper.main).items()
    }
    assert found == {
        "AnB, natural to man-made": [0.2, -1.6, -3.6, -7.6, -12.7, -16.3, -24.6],
        "AnB, man-made to natural": [0.4, -0.3, -2.8, -7.1, -13.1, -16.8, -25.4],
        "AnB, random halves": [0.3, -0.1, -0.6, -2.5, -4.7, -4.4, -8.3],
        "RnB, random filters": [-8.5, -17.4, -57.5, -55.7, -52.6, -56.2, -56.2],
    }


@pytest.mark.parametrize("label", ["S4B", "R4B", "R4all"])
def test_random_sources_are_drawn(tmp_path, label):
    target = "all" if label.endswith("all") else "B"
    fake_study.write(tmp_path, "base", 0.5, target=target)
    fake_study.write(tmp_path, label, 0.2)
    assert "figure3" in drawn(tmp_path)
