import pytest
from many_curves import write
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tftransfer.reporting import (
    collected,
    drawing,
    style,
)


def covers(figure):
    """Returns the texts inside axes, besides ticks and titles, and where the legend lies on axes."""
    FigureCanvasAgg(figure).draw()
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    boxes = [axes.get_window_extent() for axes in figure.axes]
    hidden = [legend for legend in figure.legends if any(legend.get_window_extent().overlaps(box) for box in boxes)]
    return texts + hidden


@pytest.mark.parametrize("name", ["figure2", "paired", "losses", "images", "curves"])
def test_no_name_covers_data(drawn, name):
    with style.settings():
        assert covers(drawn[name].canvas.figure) == []


def test_axes_of_accuracies_stay_where_accuracies_can_be(tmp_path):
    write(tmp_path, "base", 0.01, target="B")
    for n, top1 in ((1, 0.0), (2, 1.0)):
        write(tmp_path, f"A{n}B", top1)
    found = drawing.draw(collected.collect(str(tmp_path), []))
    for name in ("figure2", "curves"):
        for axes in found[name].canvas.figure.axes:
            low, high = axes.get_ylim()
            assert (low, high) == (0, 100)
