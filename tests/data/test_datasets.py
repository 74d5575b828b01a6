import os
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from tftransfer.data import datasets
from tftransfer.data.datasets import DataSetError, describe_classes, files, known_datasets, near_names, open_dataset
from tftransfer.data.datasets.folder import SMALL_CLASSES, hold_out


def _image(path, colour=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 6), (colour, 0, 0)).save(path)


@pytest.fixture
def both_splits(tmp_path):
    for split, count in (("train", 3), ("val", 2)):
        for name in ("b", "a"):
            for index in range(count):
                _image(tmp_path / split / name / f"{index}.png")
    return tmp_path


@pytest.fixture
def tiny(tmp_path):
    root = tmp_path / "tiny-imagenet-200"
    names = ["n02000002", "n01000001"]
    for name in names:
        for index in range(3):
            _image(root / "train" / name / "images" / f"{name}_{index}.JPEG")
    for index in range(4):
        _image(root / "val" / "images" / f"val_{index}.JPEG")
    (root / "wnids.txt").write_text("\n".join(names))
    lines = [f"val_{index}.JPEG\t{names[index % 2]}\t0\t0\t6\t6" for index in range(4)]
    (root / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    return root


def _keys(source, split):
    return [(example.label, example.key) for example in source.examples(split)]


class TestFolder:
    def test_classes_and_examples_are_sorted(self, both_splits):
        source = open_dataset("folder", str(both_splits))
        assert source.class_names == ("a", "b")
        assert _keys(source, "val") == [(0, "val/a/0.png"), (0, "val/a/1.png"), (1, "val/b/0.png"), (1, "val/b/1.png")]
        assert len(source.examples("train")) == 6

    @pytest.mark.parametrize("name", ["validation", "valid", "test"])
    def test_validation_images_may_be_called_otherwise(self, both_splits, name):
        (both_splits / "val").rename(both_splits / name)
        assert _keys(open_dataset("folder", str(both_splits)), "val")[0] == (0, f"{name}/a/0.png")

    def test_sub_folders_are_walked_and_other_files_counted(self, both_splits):
        _image(both_splits / "train" / "a" / "deep" / "er" / "x.JPG")
        _image(both_splits / "train" / "a" / ".hidden.png")
        (both_splits / "train" / "a" / "notes.txt").write_text("")
        source = open_dataset("folder", str(both_splits))
        assert "train/a/deep/er/x.JPG" in dict(map(reversed, _keys(source, "train")))
        assert len(source.examples("train")) == 7
        assert source.notes == {"ignored_files": 1}

    def test_links_in_circles_end_and_are_named(self, both_splits):
        (both_splits / "train" / "a" / "loop").symlink_to(both_splits / "train" / "a")
        (both_splits / "train" / "b" / "up").symlink_to(both_splits)
        source = open_dataset("folder", str(both_splits))
        assert len(source.examples("train")) == 6
        assert set(source.left_out) == {"train/a/loop", "train/b/up"}

    def test_a_link_among_the_classes_that_leads_back_is_no_class(self, tmp_path):
        for name in ("a", "b"):
            for index in range(2):
                _image(tmp_path / name / f"{index}.png")
        (tmp_path / "self").symlink_to(tmp_path)
        (tmp_path / "gone").symlink_to("nowhere")
        (tmp_path / "own").symlink_to("own")
        source = open_dataset("folder", str(tmp_path))
        assert source.class_names == ("a", "b")
        assert set(source.left_out) == {"self", "gone", "own"}

    def test_a_tree_of_links_with_millions_of_paths_is_read_once(self, both_splits):
        """Each level holds two links to the next: 2 to the 22nd paths to one image."""
        place = both_splits / "levels"
        for level in range(22):
            (place / str(level)).mkdir(parents=True)
            for name in ("x", "y"):
                (place / str(level) / name).symlink_to(place / str(level + 1))
        _image(place / "22" / "deep.png")
        (both_splits / "train" / "a" / "tree").symlink_to(place / "0")
        source = open_dataset("folder", str(both_splits))
        assert [key for _, key in _keys(source, "train") if "deep" in key] == [f"train/a/tree/{'x/' * 22}deep.png"]
        assert len(source.left_out) == 22

    def test_a_real_folder_keeps_its_name_beside_a_link_to_it(self, both_splits):
        _image(both_splits / "train" / "a" / "real" / "9.png")
        (both_splits / "train" / "a" / "link").symlink_to("real")
        keys = [key for _, key in _keys(open_dataset("folder", str(both_splits)), "train")]
        assert "train/a/real/9.png" in keys
        assert "train/a/link/9.png" not in keys

    def test_files_without_end_are_refused(self, both_splits, monkeypatch):
        monkeypatch.setattr(files, "MOST_ENTRIES", 10)
        with pytest.raises(DataSetError, match=r"no end of files.*more than 10"):
            open_dataset("folder", str(both_splits))

    def test_what_only_looks_like_an_image_is_left_out_by_name(self, both_splits):
        place = both_splits / "train" / "a"
        os.mkfifo(place / "pipe.jpg")
        (place / "nothing.jpg").symlink_to("gone.jpg")
        (place / "itself.jpg").symlink_to("itself.jpg")
        (place / "device.jpg").symlink_to("/dev/zero")
        (place / "folder.jpg").mkdir()
        _image(place / "folder.jpg" / "inside.png")
        source = open_dataset("folder", str(both_splits))
        names = ("pipe", "nothing", "itself", "device")
        assert set(source.left_out) == {f"train/a/{name}.jpg" for name in names}
        assert (0, "train/a/folder.jpg/inside.png") in _keys(source, "train")

    def test_a_pipe_in_the_place_of_an_image_is_not_waited_for(self, both_splits):
        example = open_dataset("folder", str(both_splits)).examples("train")[0]
        os.remove(example.path)
        os.mkfifo(example.path)
        with pytest.raises(OSError, match="no regular file"):
            example.load()

    def test_a_folder_that_must_not_be_read_is_named(self, both_splits, monkeypatch):
        scan = os.scandir

        def refusing(path):
            if str(path).endswith("train/b"):
                raise PermissionError(13, "Permission denied", path)
            return scan(path)

        monkeypatch.setattr(os, "scandir", refusing)
        with pytest.raises(DataSetError, match=r"Cannot read the folder .*train/b: Permission denied"):
            open_dataset("folder", str(both_splits))

    def test_without_validation_images_about_a_fifth_is_held_out(self, tmp_path):
        for name, count in (("a", 10), ("b", 2), ("train", 400)):
            for index in range(count):
                _image(tmp_path / name / f"{index:02d}.png")
        source = open_dataset("folder", str(tmp_path))
        assert source.class_names == ("a", "b", "train")
        counts = [np.bincount([label for label, _ in _keys(source, split)]).tolist() for split in ("train", "val")]
        assert counts == [[6, 1, 311], [4, 1, 89]]
        assert source.notes == {SMALL_CLASSES: 1}
        assert not set(_keys(source, "train")) & set(_keys(source, "val"))
        assert _keys(source, "val") == sorted(_keys(source, "val"))

    def test_the_held_out_images_never_change(self):
        train, val, is_steady = hold_out([f"{index:02d}" for index in range(10)], "cat")
        assert (train, val, is_steady) == (["00", "01", "02", "04", "05", "06", "07", "08"], ["03", "09"], True)

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

    def test_examples_travel_to_other_processes(self, both_splits):
        example = pickle.loads(pickle.dumps(open_dataset("folder", str(both_splits)).examples("train")[0]))
        assert example.load() == (both_splits / "train/a/0.png").read_bytes()

    def test_identity_is_that_of_the_files_and_not_of_the_place(self, both_splits, tmp_path_factory):
        first = open_dataset("folder", str(both_splits)).identity
        moved = tmp_path_factory.mktemp("elsewhere") / "data"
        both_splits.rename(moved)
        assert open_dataset("folder", str(moved)).identity == first
        changed = next((moved / "train/a").glob("*.png"))
        os.utime(changed, ns=(1, 1))
        assert open_dataset("folder", str(moved)).identity != first, "another image of the same size may lie there"
        second = open_dataset("folder", str(moved)).identity
        _image(moved / "train/a/9.png")
        assert open_dataset("folder", str(moved)).identity != second

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda root: (root / "train/c").mkdir(), r"1 class\(es\) of train/ are missing in val/ .*: c\."),
            (lambda root: _image(root / "val/d/0.png"), r"1 class\(es\) of val/ are missing in train/ .*: d\."),
            (lambda root: [(root / f"{s}/c").mkdir() for s in ("train", "val")], r"No images in .*train/c\."),
            (lambda root: (root / "val").rename(root / "other"), r"train/ but none of val/.*pass --data_dir=.*train"),
        ],
    )
    def test_a_layout_that_does_not_fit_is_named(self, both_splits, change, message):
        change(both_splits)
        with pytest.raises(DataSetError, match=message):
            open_dataset("folder", str(both_splits))

    def test_missing_classes_are_named_up_to_ten(self, both_splits):
        for index in range(12):
            _image(both_splits / "train" / f"x{index:02d}" / "0.png")
        with pytest.raises(DataSetError, match="x09 and 2 more"):
            open_dataset("folder", str(both_splits))

    def test_a_class_of_one_image_cannot_be_held_out(self, tmp_path):
        _image(tmp_path / "a/0.png")
        with pytest.raises(DataSetError, match="'a' has 1 image"):
            open_dataset("folder", str(tmp_path))

    def test_images_without_class_folders_are_refused(self, tmp_path):
        _image(tmp_path / "0.png")
        with pytest.raises(DataSetError, match="No classes in"):
            open_dataset("folder", str(tmp_path))


@pytest.mark.parametrize("dataset", ["folder", "tiny_imagenet"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "needs --data_dir: .*Received: data_dir=None"),
        (lambda path: path / "none", "but there is nothing"),
        (lambda path: path / "file", "but there is a file"),
        (lambda path: path / "empty", "is empty"),
    ],
)
def test_a_folder_that_is_not_there_is_named(tmp_path, dataset, make, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    data_dir = make(tmp_path)
    for function in (open_dataset, describe_classes):
        with pytest.raises(DataSetError, match=message):
            function(dataset, data_dir and str(data_dir))


class TestTinyImageNet:
    @pytest.mark.parametrize("above", [False, True])
    def test_the_official_layout_is_read(self, tiny, above):
        source = open_dataset("tiny_imagenet", str(tiny.parent if above else tiny))
        assert source.class_names == ("n01000001", "n02000002")
        assert source.native_size == 64
        assert len(source.examples("train")) == 6
        assert [label for label, _ in _keys(source, "val")] == [1, 0, 1, 0]
        assert source.examples("train")[0].key == "train/n01000001/images/n01000001_0.JPEG"

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


class TestMotifs:
    def test_images_are_drawn(self):
        source = open_dataset("motifs")
        example = pickle.loads(pickle.dumps(source.examples("val")[3]))
        assert (example.load().shape, example.label, source.native_size) == ((32, 32, 3), 0, 32)
        assert set(source.class_kinds) == {"manmade", "natural"}

    def test_slices_and_ends_are_those_of_a_sequence(self):
        examples = open_dataset("motifs").examples("train")
        assert examples[-1] == examples[len(examples) - 1]
        assert [example.key for example in examples[3:9:2]] == [examples[index].key for index in (3, 5, 7)]
        with pytest.raises(IndexError):
            examples[len(examples)]

    def test_an_unknown_split_is_refused(self):
        with pytest.raises(ValueError, match="Received: subset='test'"):
            open_dataset("motifs").examples("test")


class TestDescription:
    def test_it_agrees_with_the_source(self, both_splits, tiny):
        for dataset, data_dir in (("motifs", None), ("folder", str(both_splits)), ("tiny_imagenet", str(tiny))):
            source = open_dataset(dataset, data_dir)
            assert describe_classes(dataset, data_dir) == (source.class_names, source.class_kinds)

    def test_imagenet_needs_no_data(self):
        names, kinds = describe_classes("imagenet2012")
        assert len(names) == len(set(names)) == len(kinds) == 1000
        assert names == tuple(sorted(names))
        assert names[0] == "n01440764"

    def test_own_data_sets_need_no_tensorflow(self, both_splits, tiny):
        program = textwrap.dedent(f"""
            import sys
            from tftransfer.data.datasets import describe_classes
            describe_classes("motifs"), describe_classes("imagenet2012")
            describe_classes("folder", {str(both_splits)!r}), describe_classes("tiny_imagenet", {str(tiny)!r})
            assert not {{"tensorflow", "tensorflow_datasets"}} & set(sys.modules), sorted(sys.modules)
        """)
        subprocess.run([sys.executable, "-c", program], check=True)


def test_known_data_sets_are_ours_and_those_of_tfds():
    assert {*datasets.OWN_DATASETS, "cifar100", "mnist"} <= set(known_datasets())


@pytest.mark.parametrize(
    ("typed", "meant"), [("tiny-imagenet", "tiny_imagenet"), ("Cifar_100", "cifar100"), ("motif", "motifs")]
)
def test_near_names_are_found(typed, meant):
    assert meant in near_names(typed)


@pytest.mark.parametrize(("name", "damage"), [("wnids.txt", b"\xff\xfe"), ("val/val_annotations.txt", b"one_word\n")])
def test_damaged_lists_of_tiny_imagenet_are_refused(tiny, name, damage):
    with (tiny / name).open("ab") as file:
        file.write(damage)
    with pytest.raises(DataSetError, match="Unpack the archive again"):
        open_dataset("tiny_imagenet", str(tiny))


def test_a_file_too_large_for_an_image_is_not_read(tmp_path, monkeypatch):
    from tftransfer.data.datasets import dataset

    monkeypatch.setattr(dataset, "MOST_BYTES", 10)
    (tmp_path / "large.png").write_bytes(bytes(11))
    with pytest.raises(OSError, match="more than 10 bytes"):
        dataset.FileExample(0, "large.png", str(tmp_path / "large.png")).load()


def test_images_are_counted_without_making_their_examples(tmp_path, monkeypatch):
    """A dry run of a hundred thousand images would spend a fifth of its time on it."""
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(10):
            (tmp_path / name / f"{i}.png").write_bytes(b"")
    source = datasets.open_dataset("folder", str(tmp_path))
    expected = [example.label for example in source.examples("train")]
    monkeypatch.setattr("tftransfer.data.datasets.files.FileExample", None)
    assert list(source.examples("train").labels()) == expected
    assert sum(len(source.examples(split).labels()) for split in datasets.SUBSETS) == 20


def test_labels_are_told_where_only_the_examples_know_them():
    source = datasets.open_dataset("motifs")
    assert list(source.examples("val").labels()) == [example.label for example in source.examples("val")]
