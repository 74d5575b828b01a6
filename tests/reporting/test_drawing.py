import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

import fake_study
from tftransfer.records import record_files
from tftransfer.reporting import collected, diagnostic_figures, drawing, relative_figure, treatment_figures
from tftransfer.training import diagnostics


def drawn(study, **options):
    return drawing.draw(collected.collect(str(study), [], **options))


@pytest.fixture(scope="module")
def paper():
    return collected.collect("paper", [])


def points_of(figure):
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
    lines = points_of(canvas.figure)
    (transfer,) = lines["Means over halves, splits and seeds", "#D55E00"]
    assert [round(float(y), 2) for _, y in transfer] == [62.51, 62.82, 62.39, 61.89, 59.98, 57.80, 58.06, 54.25]
    (tuned,) = lines["Means over halves, splits and seeds", "#E69F00"]
    assert [round(float(y), 1) for _, y in tuned] == [63.1, 63.7, 63.6, 64.3, 64.0, 64.5, 64.6, 64.6], (
        "from the mean of their own bases: all are of easy halves"
    )
    above = [line for line in canvas.figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert len(above) == 112, "every network of random halves"


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


def test_all_drawings_are_whole_svg_and_png(tmp_path):
    fake_study.write_paper_like(tmp_path, split_seeds=1)
    found = drawn(tmp_path, overlay=True)
    assert set(found) == {"figure2", "paired", "losses", "curves"}
    for figure in found.values():
        ET.fromstring(figure.svg)
        assert Image.open(io.BytesIO(figure.png)).width > 1000
        assert len(figure.svg) < 300_000


def test_a_single_network_and_its_bases_can_be_drawn(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="A")
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "A4B", 0.4)
    found = drawn(tmp_path)
    assert {"figure2", "paired", "curves"} <= set(found)
    ET.fromstring(found["paired"].svg)


def test_networks_without_base_are_drawn_without_differences(tmp_path):
    fake_study.write(tmp_path, "A4B", 0.4)
    fake_study.write(tmp_path, "A5B", 0.3)
    assert "paired" not in drawn(tmp_path)


@pytest.mark.parametrize("label", ["S4B", "R4B", "R4all"])
def test_random_sources_are_drawn(tmp_path, label):
    target = "all" if label.endswith("all") else "B"
    fake_study.write(tmp_path, "base", 0.5, target=target)
    fake_study.write(tmp_path, label, 0.2)
    assert "figure3" in drawn(tmp_path)


def add_diagnostics(study):
    """Gives networks the arrays that training keeps."""
    rng = np.random.default_rng(0)
    for record in record_files.read_study(study):
        arrays = {"filters": rng.integers(0, 256, (8, 5, 5, 3)).astype(np.uint8)}
        if record.identity["treatment"]["source"]:
            arrays["blocks"] = np.array(["conv1", "conv2", "fc6"])
            arrays |= {name: rng.uniform(0, 1, 3).astype("float32") for name in ("with_base", "source_with_base")}
        said = diagnostics.save(record.folder, arrays)
        record_files.write(record.folder, {**record.content, "diagnostics": said})


def test_filters_and_similarity_come_from_diagnostics(tmp_path):
    for target in "AB":
        fake_study.write(tmp_path, "base", 0.5, target=target)
    for label in ("A3B", "A3B+", "B3B"):
        fake_study.write(tmp_path, label, 0.4)
    add_diagnostics(tmp_path)
    report = collected.collect(str(tmp_path), [])
    shown = diagnostic_figures.family(report.main, report.diagnostics)
    assert [title for _, title in shown] == ["baseA, the source", "A3B+, grafted", "baseB, the target's own"]
    found = drawing.draw(report)
    assert {"filters", "similarity"} <= set(found)
    assert "<title>AnB, n = 3, fc6: 0." in found["similarity"].svg


def test_a_damaged_portrait_is_named_and_left_out(tmp_path):
    record = fake_study.write(tmp_path, "base", 0.5, target="B")
    add_diagnostics(tmp_path)
    (record.folder / diagnostics.FILE).write_bytes(b"other")
    report = collected.collect(str(tmp_path), [])
    assert not report.diagnostics.get(record.name)
    assert any(warning.code == "diagnostics" and "SHA-256" in warning.text for warning in report.warnings)
    assert "filters" not in drawing.draw(report)


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
