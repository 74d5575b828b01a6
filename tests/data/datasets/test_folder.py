import numpy as np
import pytest

from image_folders import labels_and_keys, write_image
from tftransfer.data.datasets import DataSetError, open_dataset
from tftransfer.data.datasets.folder import SMALL_CLASSES, hold_out


class TestFolder:
    def test_classes_and_examples_are_sorted(self, both_subsets):
        dataset = open_dataset("folder", str(both_subsets))
        assert dataset.class_names == ("a", "b")
        assert labels_and_keys(dataset, "val") == [
            (0, "val/a/0.png"),
            (0, "val/a/1.png"),
            (1, "val/b/0.png"),
            (1, "val/b/1.png"),
        ]
        assert len(dataset.examples("train")) == 6

    @pytest.mark.parametrize("name", ["validation", "valid", "test"])
    def test_validation_images_may_be_called_otherwise(self, both_subsets, name):
        (both_subsets / "val").rename(both_subsets / name)
        assert labels_and_keys(open_dataset("folder", str(both_subsets)), "val")[0] == (0, f"{name}/a/0.png")

    def test_sub_folders_are_walked_and_other_files_counted(self, both_subsets):
        write_image(both_subsets / "train" / "a" / "deep" / "er" / "x.JPG")
        write_image(both_subsets / "train" / "a" / ".hidden.png")
        (both_subsets / "train" / "a" / "notes.txt").write_text("")
        dataset = open_dataset("folder", str(both_subsets))
        assert "train/a/deep/er/x.JPG" in dict(map(reversed, labels_and_keys(dataset, "train")))
        assert len(dataset.examples("train")) == 7
        assert dataset.notes == {"ignored_files": 1}

    def test_without_validation_images_about_a_fifth_is_held_out(self, tmp_path):
        for name, count in (("a", 10), ("b", 2), ("train", 400)):
            for index in range(count):
                write_image(tmp_path / name / f"{index:02d}.png")
        dataset = open_dataset("folder", str(tmp_path))
        assert dataset.class_names == ("a", "b", "train")
        counts = [
            np.bincount([label for label, _ in labels_and_keys(dataset, subset)]).tolist()
            for subset in ("train", "val")
        ]
        assert counts == [[6, 1, 311], [4, 1, 89]]
        assert dataset.notes == {SMALL_CLASSES: 1}
        assert not set(labels_and_keys(dataset, "train")) & set(labels_and_keys(dataset, "val"))
        assert labels_and_keys(dataset, "val") == sorted(labels_and_keys(dataset, "val"))

    def test_the_held_out_images_never_change(self):
        train, val, is_steady = hold_out([f"{index:02d}" for index in range(10)], "cat")
        assert (train, val, is_steady) == (["00", "01", "02", "04", "05", "06", "07", "08"], ["03", "09"], True)

    def test_another_fraction_may_be_held_out(self):
        keys = [f"{index:03d}.png" for index in range(400)]
        few, usual, many = (set(hold_out(keys, "cat", fraction)[1]) for fraction in (0.1, 0.2, 0.5))
        assert few < usual < many
        assert 25 < len(few) < 55
        assert 170 < len(many) < 230

    def test_images_that_come_or_go_move_no_other(self):
        """Else bases that were trained before would have seen validation images of today."""
        keys = [f"{index:03d}.png" for index in range(200)]
        held = set(hold_out(keys, "cat")[1])
        for index in range(0, 200, 7):
            fewer = hold_out([*keys[:index], *keys[index + 1 :]], "cat")[1]
            assert set(fewer) == held - {keys[index]}
            more = hold_out([*keys[:index], f"{index}-new.png", *keys[index:]], "cat")[1]
            assert set(more) - {f"{index}-new.png"} == held

    def test_each_side_keeps_an_image_and_a_class_that_needed_help_says_so(self):
        keys = [f"{index:02d}" for index in range(200)]
        one, other = hold_out(keys, "cat")[:2]
        for few, expected in ((one[:5], 1), (other[:5], 4)):
            train, val, is_steady = hold_out(few, "cat")
            assert (len(train), len(val), is_steady) == (5 - expected, expected, False)
        grown = hold_out([*one[:5], other[0]], "cat")
        assert grown == (one[:5], [other[0]], True), "then the hash alone decides"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda root: (root / "train/c").mkdir(), r"1 class\(es\) of train/ are missing in val/ .*: c\."),
            (lambda root: write_image(root / "val/d/0.png"), r"1 class\(es\) of val/ are missing in train/ .*: d\."),
            (lambda root: [(root / f"{s}/c").mkdir() for s in ("train", "val")], r"No images in .*train/c\."),
            (lambda root: (root / "val").rename(root / "other"), r"train/ but none of val/.*pass --data_dir=.*train"),
        ],
    )
    def test_a_layout_that_does_not_fit_is_named(self, both_subsets, change, message):
        change(both_subsets)
        with pytest.raises(DataSetError, match=message):
            open_dataset("folder", str(both_subsets))

    def test_missing_classes_are_named_up_to_ten(self, both_subsets):
        for index in range(12):
            write_image(both_subsets / "train" / f"x{index:02d}" / "0.png")
        with pytest.raises(DataSetError, match="x09 and 2 more"):
            open_dataset("folder", str(both_subsets))

    def test_a_class_of_one_image_cannot_be_held_out(self, tmp_path):
        write_image(tmp_path / "a/0.png")
        with pytest.raises(DataSetError, match="'a' has 1 image"):
            open_dataset("folder", str(tmp_path))

    def test_images_without_class_folders_are_refused(self, tmp_path):
        write_image(tmp_path / "0.png")
        with pytest.raises(DataSetError, match="No classes in"):
            open_dataset("folder", str(tmp_path))
