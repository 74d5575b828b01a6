"""A study with many kinds of curves, and its figures, that tests of figures share."""

import itertools

import pytest
from many_curves import FOREIGN, write

from tftransfer.reporting import collected, drawing


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def drawn(report):
    return drawing.draw(report)
