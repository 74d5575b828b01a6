import pytest

from image_folders import labels_and_keys
from tftransfer.data.datasets import DataSetError, open_dataset


class TestTinyImageNet:
    @pytest.mark.parametrize("above", [False, True])
    def test_the_official_layout_is_read(self, tiny, above):
        dataset = open_dataset("tiny_imagenet", str(tiny.parent if above else tiny))
        assert dataset.class_names == ("n01000001", "n02000002")
        assert dataset.native_size == 64
        assert len(dataset.examples("train")) == 6
        assert [label for label, _ in labels_and_keys(dataset, "val")] == [1, 0, 1, 0]
        assert dataset.examples("train")[0].key == "train/n01000001/images/n01000001_0.JPEG"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda root: (root / "wnids.txt").unlink(), "No wnids.txt"),
            (lambda root: (root / "wnids.txt").write_text(""), "names no class"),
            (lambda root: (root / "wnids.txt").write_text("n1 n1 n2"), "for several classes: n1"),
            (lambda root: (root / "wnids.txt").write_text("n01000001 n02000002 n3"), "1 of the 3 classes .*: n3"),
            (lambda root: (root / "val/val_annotations.txt").unlink(), "lacks val_annotations.txt"),
            (lambda root: (root / "val/images/val_3.JPEG").unlink(), "1 of the 4 images .*: val_3.JPEG"),
            (lambda root: (root / "val/val_annotations.txt").write_text("val_0.JPEG\tn01000001\n"), "n02000002"),
            (lambda root: [f.unlink() for f in (root / "train/n01000001/images").iterdir()], "No images in"),
        ],
    )
    def test_an_incomplete_archive_is_named(self, tiny, change, message):
        change(tiny)
        with pytest.raises(DataSetError, match=message):
            open_dataset("tiny_imagenet", str(tiny))


@pytest.mark.parametrize(("name", "damage"), [("wnids.txt", b"\xff\xfe"), ("val/val_annotations.txt", b"one_word\n")])
def test_damaged_lists_of_tiny_imagenet_are_refused(tiny, name, damage):
    with (tiny / name).open("ab") as file:
        file.write(damage)
    with pytest.raises(DataSetError, match="Unpack the archive again"):
        open_dataset("tiny_imagenet", str(tiny))
