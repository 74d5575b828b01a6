import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tftransfer.data import motifs
from tftransfer.data.motifs import inanimate, living, manmade

GOLDEN = pathlib.Path(__file__).with_name("motifs_golden.npz")


def sample(name, count=20, subset="train"):
    return np.stack([motifs.draw(name, subset, index) for index in range(count)])


def test_twenty_kinds_of_each_sort_in_alphabetical_order():
    assert list(motifs.MOTIFS) == sorted(motifs.MOTIFS)
    assert tuple(motifs.MOTIFS) == motifs.CLASS_NAMES
    assert sorted(motifs.MOTIFS.values()) == ["manmade"] * 20 + ["natural"] * 20


def test_every_name_is_drawn_by_the_module_of_its_sort():
    for kinds, sort in ((manmade.KINDS, "manmade"), ({**living.KINDS, **inanimate.KINDS}, "natural")):
        assert set(kinds) == {name for name, value in motifs.MOTIFS.items() if value == sort}
        assert all(kind.draw.__name__ == name for name, kind in kinds.items())


def test_no_tensorflow_and_no_numpy_for_the_names():
    code = (
        "import sys, tftransfer.data.motifs.class_names\n"
        "assert not {'numpy', 'tensorflow', 'keras'} & set(sys.modules), 'names'\n"
        "import tftransfer.data.motifs\n"
        "assert not {'tensorflow', 'keras', 'PIL', 'tensorflow_datasets'} & set(sys.modules), 'motifs'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", motifs.CLASS_NAMES)
class TestEveryKind:
    def test_images_are_bytes_of_the_promised_shape(self, name):
        image = motifs.draw(name, "train", 0)
        assert image.dtype == np.uint8
        assert image.shape == (motifs.IMAGE_SIZE, motifs.IMAGE_SIZE, 3)
        motifs.draw(name, "train", motifs.TRAIN_PER_CLASS - 1)
        motifs.draw(name, "validation", motifs.VAL_PER_CLASS - 1)

    def test_equal_arguments_give_equal_pixels(self, name):
        np.testing.assert_array_equal(motifs.draw(name, "train", 3), motifs.draw(name, "train", 3))

    def test_no_image_is_empty_or_repeated(self, name):
        images = np.concatenate([sample(name), sample(name, subset="validation")])
        assert images.std(axis=(1, 2, 3)).min() > 5
        assert len({image.tobytes() for image in images}) == len(images)

    def test_colour_does_not_give_the_kind_away(self, name):
        means = sample(name).mean(axis=(1, 2)) / 255
        assert (means.std(axis=0) > 0.08).all()
        assert (abs(means.mean(axis=0) - 0.45) < 0.13).all()


def test_neither_global_randomness_nor_order_matters():
    np.random.seed(1)
    first = motifs.draw("tree", "train", 5)
    np.random.seed(2)
    motifs.draw("cells", "train", 0)
    np.testing.assert_array_equal(first, motifs.draw("tree", "train", 5))


def test_numpy_arguments_draw_the_same_image():
    drawn = motifs.draw(np.str_("tree"), np.str_("train"), np.int64(5))
    np.testing.assert_array_equal(drawn, motifs.draw("tree", "train", 5))


def test_images_match_those_of_the_published_version():
    # Two grey levels of room: the last bit of a sine differs between machines.
    with np.load(GOLDEN) as golden:
        assert str(golden["version"]) == motifs.VERSION, "new version: write the golden file again"
        for name, expected in zip(golden["names"], golden["images"], strict=True):
            difference = abs(motifs.draw(str(name), "train", 0).astype(int) - expected.astype(int))
            assert difference.max() <= 2, f"{name} is drawn in another way: raise VERSION"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("unicorn", "train", 0), r"Unknown class of motifs\. Expected one of arrow, .*Received: 'unicorn'"),
        (("gear", "test", 0), r"Unknown subset of motifs\. Expected one of train, validation\. Received: 'test'"),
        (("gear", "train", 200), r"Expected 0 <= index < 200\. Received: 200"),
        (("gear", "validation", 50), r"Expected 0 <= index < 50\. Received: 50"),
        (("gear", "train", -1), r"Expected 0 <= index < 200\. Received: -1"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        motifs.draw(*arguments)


def test_contact_sheet_shows_all_kinds(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    from tftransfer.data.motifs import __main__ as command

    path = tmp_path / "sheet.png"
    command.main([f"--sheet={path}"])
    assert path.stat().st_size < 600_000
    with image_module.open(path) as page:
        assert page.width == pytest.approx(1400, abs=100)
