import io
import xml.etree.ElementTree as ET

from many_curves import write
from PIL import Image

import fake_study
from tftransfer.reporting import (
    collected,
    drawing,
    treatment_figures,
)


def drawn(study, **options):
    return drawing.draw(collected.collect(str(study), [], **options))


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


def losses_of(report):
    return report.decomposition[report.decomposition["images_per_class"].eq(0)]


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
        assert "Networks with other numbers of images per class (10, 100) are not shown." in found[name].caption
    assert len(found["paired"].canvas.figure.axes[0].lines) == len(
        treatment_figures.paired(
            report.effects[report.effects["images_per_class"].eq(0)], losses_of(report), report.looks
        )
        .figure.axes[0].lines
    )  # fmt: skip
