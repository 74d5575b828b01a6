import numpy as np
import pytest
from many_curves import NEW, write
from matplotlib.collections import FillBetweenPolyCollection

import fake_study
from tftransfer import analysis
from tftransfer.reporting import (
    collected,
    drawing,
    treatment_figures,
)


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


@pytest.fixture(scope="module")
def paper():
    return collected.collect("paper", [])


def lines_of(figure):
    """Returns the drawn lines as {colour: [(x, y), ...]} of those with more than one point."""
    found = {}
    for axes in figure.axes:
        for line in axes.lines:
            if len(line.get_xdata()) > 1:
                data = list(zip(line.get_xdata(), line.get_ydata(), strict=True))
                found.setdefault((axes.get_title(loc="left"), line.get_color()), []).append(data)
    return found


def test_figure_2_shows_the_papers_means(paper):
    canvas = treatment_figures.figure2(paper.of("random"), paper.looks)
    lines = lines_of(canvas.figure)
    (transfer,) = lines["Means over halves, splits and seeds", "#D55E00"]
    assert [round(float(y), 2) for _, y in transfer] == [62.51, 62.82, 62.39, 61.89, 59.98, 57.80, 58.06, 54.25]
    (tuned,) = lines["Means over halves, splits and seeds", "#E69F00"]
    assert [round(float(y), 1) for _, y in tuned] == [63.1, 63.7, 63.6, 64.3, 64.0, 64.5, 64.6, 64.6], (
        "from the mean of their own bases: all are of easy halves"
    )
    above = [line for line in canvas.figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert len(above) == 112, "every network of random halves"


def shades(study):
    """Returns the names of shaded effects, and the heights of shades in points, in the means of Figure 2."""
    report = collected.collect(str(study), [])
    figure = treatment_figures.figure2(report.of("random"), report.looks).figure
    reach = [shade.get_paths()[0].vertices[:, 1] for shade in figure.axes[1].collections]
    names = {text.get_text() for text in figure.legends[0].get_texts()}
    return names & {name for _, _, name, _ in treatment_figures._SHADES}, [
        round(float(np.ptp(heights)), 1) for heights in reach
    ]


@pytest.mark.parametrize(("lost", "names"), [(0.05, {"lost co-adaptation"}), (-0.05, set())])
def test_only_a_loss_beyond_its_interval_is_shaded_as_one(tmp_path, lost, names):
    for split, off in enumerate((0.0, 0.001, -0.001)):
        fake_study.write(tmp_path, "base", 0.5, split, target="B")
        fake_study.write(tmp_path, "base", 0.9, split, target="A")
        fake_study.write(tmp_path, "B4B", 0.5 - lost + off, split)
    said, heights = shades(tmp_path)
    assert said == names
    assert heights == [5.0] * len(names)


def test_a_gain_against_other_halves_bases_is_not_shaded(tmp_path):
    """AnB+ has easy targets only: above the mean of all bases, at its own."""
    for split, off in enumerate((0.0, 0.001, -0.001)):
        fake_study.write(tmp_path, "base", 0.5, split, target="A")
        fake_study.write(tmp_path, "base", 0.6, split, target="B")
        for n in (4, 5):
            fake_study.write(tmp_path, f"A{n}B+", 0.6 + off, split)
    assert shades(tmp_path) == (set(), [])


def test_a_shade_never_reaches_where_nothing_was_lost(tmp_path):
    """At n = 1 frozen copies gain, at n = 3 nothing is significant; only n = 2 is a loss."""
    means, spread = {1: 0.06, 2: -0.02, 3: -0.01}, {1: 0.001, 2: 0.001, 3: 0.05}
    for split, sign in enumerate((-1, 0, 1)):
        fake_study.write(tmp_path, "base", 0.5, split, target="B")
        for n in means:
            fake_study.write(tmp_path, f"B{n}B", 0.5 + means[n] + sign * spread[n], split)
    report = collected.collect(str(tmp_path), [])
    figure = treatment_figures.paired(report.effects, losses_of(report), report.looks).figure
    (shade,) = shades_of(figure.axes[0])
    (path,) = shade.get_paths()
    assert path.vertices[:, 0].min() >= 1.5
    assert path.vertices[:, 0].max() <= 2.5
    heights = {x: np.ptp(path.vertices[path.vertices[:, 0] == x, 1]) for x in (1.5, 2, 2.5)}
    assert heights == pytest.approx({1.5: 0, 2: 2, 2.5: 0}, abs=1e-6)
