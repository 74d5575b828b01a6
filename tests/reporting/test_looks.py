import dataclasses
import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.colors import to_rgb

import fake_study
from tftransfer import analysis
from tftransfer.records import record_files
from tftransfer.reporting import (
    collected,
    drawing,
    history_figure,
    looks,
    loss_figure,
    size_figure,
    style,
    treatment_figures,
)
from tftransfer.reporting.looks import Curve

FOREIGN = "1a2b3c4d" * 8


def write(study, label, top1, split_seed=0, pretrained="", **options):
    of = fake_study.cell(label, split_seed, **options)
    of = dataclasses.replace(of, treatment=dataclasses.replace(of.treatment, pretrained=pretrained))
    content = fake_study.content(of, top1)
    content["treatment"] = {"label": of.treatment.label}
    return record_files.write(study / of.name, content)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Returns a study with preserved blocks, staged release, pretrained weights and three numbers of images."""
    study = tmp_path_factory.mktemp("looks")
    for images, base in ((10, 0.2), (100, 0.4), (0, 0.6)):
        for split in (0, 1):
            write(study, "base", base + split / 100, split, target="B", images_per_class=images)
            for n in (3, 4):
                write(study, f"A{n}B", base - n / 100, split, images_per_class=images)
                write(study, f"B{n}B", base + n / 200, split, images_per_class=images)
    for split, n in itertools.product((0, 1), (3, 4)):
        for stages in ({"preserve": 2}, {"preserve": 2, "release_step": 500}):
            write(study, f"A{n}B", 0.5 + split / 50, split, **stages)
            write(study, f"B{n}B", 0.5 + split / 50, split, **stages)
        for tuned in ("", "+"):
            write(study, f"A{n}B{tuned}", 0.55 + split / 50, split, pretrained=FOREIGN)
    return collected.collect(str(study), [])


@pytest.fixture(scope="module")
def drawn(report):
    return drawing.draw(report)


NEW = [
    Curve("AnB", 2), Curve("AnB", 2, 500), Curve("BnB", 2), Curve("BnB", 2, 500), Curve(f"AnB-w{FOREIGN[:8]}"),
    Curve(f"AnB+-w{FOREIGN[:8]}"),
]  # fmt: skip


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


def losses_of(report):
    return report.decomposition[report.decomposition["images_per_class"].eq(0)]


def points_of(axes, look):
    return [
        line for line in axes.lines
        if line.get_marker() == look.marker and line.get_color() == look.colour and len(line.get_xdata()) == 1
        and np.isfinite(line.get_ydata()).all()
    ]  # fmt: skip


@pytest.mark.parametrize("curve", NEW, ids=lambda curve: curve.name)
def test_networks_with_preserved_blocks_and_of_pretrained_weights_are_drawn(report, curve):
    networks = report.main[report.main["images_per_class"].eq(0)]
    top, bottom = treatment_figures.figure2(networks, report.looks).figure.axes
    look = report.looks[curve]
    assert (len(points_of(top, look)), len(points_of(bottom, look))) == (4, 2)
    effects = report.effects[report.effects["images_per_class"].eq(0)]
    canvas = treatment_figures.paired(effects, losses_of(report), report.looks)
    assert len(points_of(canvas.figure.axes[0], look)) == 2
    assert any(text.startswith(f"{curve.name}, n = 3: ") for text in canvas.tips.values())
    (legend,) = canvas.figure.legends
    assert curve.meaning in [text.get_text() for text in legend.get_texts()]


def test_losses_of_preserved_blocks_have_panels_of_their_own(report):
    losses = report.decomposition[report.decomposition["images_per_class"].eq(0)]
    canvas = loss_figure.bars(losses)
    assert [axes.get_title(loc="left") for axes in canvas.figure.axes] == [
        "none preserved", "2 preserved", "2 preserved, released at step 500",
    ]  # fmt: skip
    assert [len(axes.patches) for axes in canvas.figure.axes] == [4, 4, 4]


def test_no_panel_of_learning_curves_mixes_numbers_of_images(report):
    panels = history_figure.panels_of(report.main)
    assert all(group["images_per_class"].nunique() == 1 for _, group in panels)
    titles = [title for title, _ in panels]
    assert titles[:3] == ["base, 10 images per class", "base, 100 images per class", "base, all images"]
    assert len(set(titles)) == len(titles) == 15


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


def test_one_number_of_images_makes_no_figure_over_images_and_is_named(tmp_path):
    write(tmp_path, "base", 0.5, target="B", images_per_class=10)
    for n in (1, 2):
        write(tmp_path, f"A{n}B", 0.4, images_per_class=10)
        write(tmp_path, f"B{n}B", 0.4, images_per_class=10)
    found = drawing.draw(collected.collect(str(tmp_path), []))
    assert set(found) == {"figure2", "paired", "losses", "curves"}
    for name in ("figure2", "paired", "losses"):
        assert found[name].title.endswith(", 10 images per class")


def test_no_other_number_of_images_is_in_the_figures_of_all_images(report, drawn):
    found = drawn
    for name in ("figure2", "paired", "losses"):
        assert "Networks with other numbers of images per class (10, 100) are not in it." in found[name].caption
    assert len(found["paired"].canvas.figure.axes[0].lines) == len(
        treatment_figures.paired(
            report.effects[report.effects["images_per_class"].eq(0)], losses_of(report), report.looks
        )
        .figure.axes[0].lines
    )  # fmt: skip


def test_the_papers_curves_are_dashed_as_the_caption_says(report):
    effects = report.effects[report.effects["images_per_class"].eq(0)]
    frame = analysis.networks("paper")
    behind = analysis.effects(frame[frame["halves"].eq("random") & frame["images_per_class"].eq(0)])
    canvas = treatment_figures.paired(effects, losses_of(report), report.looks, behind)
    own = treatment_figures.paired(effects, losses_of(report), report.looks)
    added = len(canvas.figure.axes[0].lines) - len(own.figure.axes[0].lines)
    dashed = [line for line in canvas.figure.axes[0].lines if line.get_linestyle() == "--"]
    assert len(dashed) == added == 4
    (legend,) = canvas.figure.legends
    (sample,) = [
        handle for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True)
        if text.get_text() == "dashed: the paper"
    ]  # fmt: skip
    assert sample.get_linestyle() == "--"


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


def shades_of(axes):
    return [collection for collection in axes.collections if isinstance(collection, FillBetweenPolyCollection)]


def shaded(study, tuned=0.0, frozen=0.0):
    for split, off in enumerate((-0.001, 0, 0.001)):
        write(study, "base", 0.5, split, target="B")
        for n in (1, 2, 3):
            write(study, f"B{n}B", 0.5 + frozen * n + off, split)
            write(study, f"A{n}B+", 0.5 + tuned * n + off, split)
    report = collected.collect(str(study), [])
    found = {}
    for name in ("figure2", "paired"):
        figure = drawing.draw(report)[name].canvas.figure
        texts = {text.get_text() for text in figure.legends[0].get_texts()}
        shades = shades_of(figure.axes[-1])
        found[name] = (texts & {label for _, _, label, _ in treatment_figures._SHADES}, bool(shades))
    return found


def test_what_was_not_lost_or_gained_is_neither_named_nor_shaded(tmp_path):
    gains = shaded(tmp_path / "gains", tuned=-0.02, frozen=0.02)
    assert gains == {"figure2": (set(), False), "paired": (set(), False)}
    losses = shaded(tmp_path / "losses", tuned=0.02, frozen=-0.02)
    named = {"lost co-adaptation", "gain of fine-tuned transfer"}
    assert losses == {"figure2": (named, True), "paired": (named, True)}


def test_the_mean_of_bases_is_over_those_that_pair(tmp_path):
    write(tmp_path, "base", 0.4, target="A")  # only a source
    write(tmp_path, "base", 0.6, target="B")
    for n in (1, 2):
        write(tmp_path, f"A{n}B+", 0.55)
    report = collected.collect(str(tmp_path), [])
    _, means = treatment_figures.figure2(report.main, report.looks).figure.axes
    (level,) = [line.get_ydata()[0] for line in means.lines if line.get_transform() == means.get_yaxis_transform()]
    assert level == pytest.approx(60)
    assert not shades_of(means), "nothing was gained over the base of half B"


def test_axes_of_accuracies_stay_where_accuracies_can_be(tmp_path):
    write(tmp_path, "base", 0.01, target="B")
    for n, top1 in ((1, 0.0), (2, 1.0)):
        write(tmp_path, f"A{n}B", top1)
    found = drawing.draw(collected.collect(str(tmp_path), []))
    for name in ("figure2", "curves"):
        for axes in found[name].canvas.figure.axes:
            low, high = axes.get_ylim()
            assert (low, high) == (0, 100)
