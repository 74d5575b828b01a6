from tftransfer import analysis
from tftransfer.reporting import (
    looks,
    size_figure,
)


def test_images_per_class_have_a_figure_with_a_curve_for_each_treatment_and_n(drawn):
    canvas = drawn["images"].canvas
    shown = [axes for axes in canvas.figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == ["BnB", "AnB"]
    for axes in shown:
        curves = [line for line in axes.lines if len(line.get_xdata()) == 3 and line.get_linestyle() == "-"]
        assert len(curves) == 2, "n = 3 and 4"
        assert axes.get_xscale() == "log"
        assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "100", "all"]
    assert any(text.startswith("AnB, n = 4, 10 images per class: ") for text in canvas.tips.values())


def test_curves_over_images_with_one_n_share_a_panel(report):
    table = analysis.data_size(report.main[report.main["n"].isin([0, 4])])
    (axes,) = size_figure.sizes(table, report.looks).figure.axes
    assert {line.get_color() for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 3} == {
        looks.COLOURS["AnB"], looks.COLOURS["BnB"]
    }  # fmt: skip
