import os

import pytest

from image_folders import labels_and_keys, write_image
from tftransfer.data import datasets
from tftransfer.data.datasets import DataSetError, files, open_dataset


class TestFinder:
    def test_links_in_circles_end_and_are_named(self, both_subsets):
        (both_subsets / "train" / "a" / "loop").symlink_to(both_subsets / "train" / "a")
        (both_subsets / "train" / "b" / "up").symlink_to(both_subsets)
        dataset = open_dataset("folder", str(both_subsets))
        assert len(dataset.examples("train")) == 6
        assert set(dataset.left_out) == {"train/a/loop", "train/b/up"}

    def test_a_tree_of_links_with_millions_of_paths_is_read_once(self, both_subsets):
        """Each level holds two links to the next: 2 to the 22nd paths to one image."""
        place = both_subsets / "levels"
        for level in range(22):
            (place / str(level)).mkdir(parents=True)
            for name in ("x", "y"):
                (place / str(level) / name).symlink_to(place / str(level + 1))
        write_image(place / "22" / "deep.png")
        (both_subsets / "train" / "a" / "tree").symlink_to(place / "0")
        dataset = open_dataset("folder", str(both_subsets))
        assert [key for _, key in labels_and_keys(dataset, "train") if "deep" in key] == [
            f"train/a/tree/{'x/' * 22}deep.png"
        ]
        assert len(dataset.left_out) == 22

    def test_a_real_folder_keeps_its_name_beside_a_link_to_it(self, both_subsets):
        write_image(both_subsets / "train" / "a" / "real" / "9.png")
        (both_subsets / "train" / "a" / "link").symlink_to("real")
        keys = [key for _, key in labels_and_keys(open_dataset("folder", str(both_subsets)), "train")]
        assert "train/a/real/9.png" in keys
        assert "train/a/link/9.png" not in keys

    def test_files_without_end_are_refused(self, both_subsets, monkeypatch):
        monkeypatch.setattr(files, "MOST_ENTRIES", 10)
        with pytest.raises(DataSetError, match=r"no end of files.*more than 10"):
            open_dataset("folder", str(both_subsets))

    def test_what_only_looks_like_an_image_is_left_out_by_name(self, both_subsets):
        place = both_subsets / "train" / "a"
        os.mkfifo(place / "pipe.jpg")
        (place / "nothing.jpg").symlink_to("gone.jpg")
        (place / "itself.jpg").symlink_to("itself.jpg")
        (place / "device.jpg").symlink_to("/dev/zero")
        (place / "folder.jpg").mkdir()
        write_image(place / "folder.jpg" / "inside.png")
        dataset = open_dataset("folder", str(both_subsets))
        names = ("pipe", "nothing", "itself", "device")
        assert set(dataset.left_out) == {f"train/a/{name}.jpg" for name in names}
        assert (0, "train/a/folder.jpg/inside.png") in labels_and_keys(dataset, "train")

    def test_a_folder_that_must_not_be_read_is_named(self, both_subsets, monkeypatch):
        scan = os.scandir

        def refusing(path):
            if str(path).endswith("train/b"):
                raise PermissionError(13, "Permission denied", path)
            return scan(path)

        monkeypatch.setattr(os, "scandir", refusing)
        with pytest.raises(DataSetError, match=r"Cannot read the folder .*train/b: Permission denied"):
            open_dataset("folder", str(both_subsets))

    def test_a_link_among_the_classes_that_leads_back_is_no_class(self, tmp_path):
        for name in ("a", "b"):
            for index in range(2):
                write_image(tmp_path / name / f"{index}.png")
        (tmp_path / "self").symlink_to(tmp_path)
        (tmp_path / "gone").symlink_to("nowhere")
        (tmp_path / "own").symlink_to("own")
        dataset = open_dataset("folder", str(tmp_path))
        assert dataset.class_names == ("a", "b")
        assert set(dataset.left_out) == {"self", "gone", "own"}

    def test_identity_is_that_of_the_files_and_not_of_the_place(self, both_subsets, tmp_path_factory):
        first = open_dataset("folder", str(both_subsets)).identity
        moved = tmp_path_factory.mktemp("elsewhere") / "data"
        both_subsets.rename(moved)
        assert open_dataset("folder", str(moved)).identity == first
        changed = next((moved / "train/a").glob("*.png"))
        os.utime(changed, ns=(1, 1))
        assert open_dataset("folder", str(moved)).identity != first, "another image of the same size may lie there"
        second = open_dataset("folder", str(moved)).identity
        write_image(moved / "train/a/9.png")
        assert open_dataset("folder", str(moved)).identity != second


def test_images_are_counted_without_making_their_examples(tmp_path, monkeypatch):
    """A dry run of a hundred thousand images would spend a fifth of its time on it."""
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(10):
            (tmp_path / name / f"{i}.png").write_bytes(b"")
    dataset = datasets.open_dataset("folder", str(tmp_path))
    expected = [example.label for example in dataset.examples("train")]
    monkeypatch.setattr("tftransfer.data.datasets.files.FileExample", None)
    assert list(dataset.examples("train").labels()) == expected
    assert sum(len(dataset.examples(subset).labels()) for subset in datasets.SUBSETS) == 20
