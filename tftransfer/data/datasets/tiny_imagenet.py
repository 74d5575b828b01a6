"""`tiny_imagenet`: 200 classes of 64-pixel photographs, in the layout of the official archive."""

import os

from tftransfer.data.datasets.dataset import Dataset, DataSetError, existing_folder, refuse_equal_names
from tftransfer.data.datasets.files import Finder, file_examples, listing_identity
from tftransfer.system import escaping

NATIVE_SIZE = 64
LAYOUT = (
    "the unpacked tiny-imagenet-200.zip (http://cs231n.stanford.edu/tiny-imagenet-200.zip), that is the folder with "
    "wnids.txt, train/ and val/, or the one above it"
)


def describe(data_dir: str | None) -> tuple[str, ...]:
    """Returns the sorted WordNet ids of the classes, from `wnids.txt`."""
    root = _root(data_dir)
    class_names = tuple(sorted(_text(os.path.join(root, "wnids.txt")).split()))
    if not class_names:
        raise DataSetError(f"{os.path.join(root, 'wnids.txt')} names no class. Expected: {LAYOUT}.")
    refuse_equal_names("tiny_imagenet", class_names)
    return class_names


def open_dataset(data_dir: str | None) -> Dataset:
    """Returns the data set of the labelled images below `data_dir`; the test images have no labels."""
    class_names = describe(data_dir)
    root = _root(data_dir)
    finder = Finder(root)
    label_of = {name: label for label, name in enumerate(class_names)}
    _refuse_missing_folders(root, class_names, finder)
    listings = {"train": _train(root, label_of, finder), "val": _val(root, label_of, finder)}
    return Dataset(
        name="tiny_imagenet",
        class_names=class_names,
        class_kinds=(None,) * len(class_names),
        native_size=NATIVE_SIZE,
        identity=listing_identity(root, class_names, listings, finder),
        subsets={subset: file_examples(root, listing) for subset, listing in listings.items()},
        left_out=finder.left_out,
    )


def _root(data_dir: str | None) -> str:
    """Returns the folder with wnids.txt, `data_dir` itself or one below."""
    given = existing_folder(data_dir, "tiny_imagenet", LAYOUT)
    for root in (given, os.path.join(given, "tiny-imagenet-200")):
        if os.path.isfile(os.path.join(root, "wnids.txt")):
            return root
    raise DataSetError(
        f"No wnids.txt in {given}. Expected: {LAYOUT}. Found: {escaping.first(sorted(os.listdir(given)))}. Images "
        "sorted into train/<class> and val/<class> are read with --dataset=folder."
    )


def _text(path: str) -> str:
    """Returns the text of one of the archive's lists."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise DataSetError(f"{path} is damaged: {error}. Unpack the archive again. Expected: {LAYOUT}.") from error


def _refuse_missing_folders(root: str, class_names: tuple[str, ...], finder: Finder) -> None:
    """Raises DataSetError unless train/ has the classes of wnids.txt."""
    train = os.path.join(root, "train")
    present = finder.folders(train) if os.path.isdir(train) else []
    if missing := [name for name in class_names if name not in set(present)]:
        raise DataSetError(
            f"{len(missing)} of the {len(class_names)} classes in wnids.txt have no folder in {train}: "
            f"{escaping.first(missing)}. Unpack the archive again. Expected: {LAYOUT}."
        )


def _train(root: str, label_of: dict[str, int], finder: Finder) -> list[tuple[int, str]]:
    """Returns label and path of the training images, class by class."""
    listing = []
    for name, label in label_of.items():
        folder = os.path.join("train", name, "images")
        keys = finder.images(os.path.join(root, folder)) if os.path.isdir(os.path.join(root, folder)) else []
        if not keys:
            raise DataSetError(f"No images in {os.path.join(root, folder)}. Unpack the archive again.")
        listing += [(label, f"{folder}/{key}") for key in keys]
    return listing


def _val(root: str, label_of: dict[str, int], finder: Finder) -> list[tuple[int, str]]:
    """Returns label and path of the validation images in the order of their file names."""
    annotations = os.path.join(root, "val", "val_annotations.txt")
    folder = os.path.join("val", "images")
    if not os.path.isfile(annotations) or not os.path.isdir(os.path.join(root, folder)):
        raise DataSetError(
            f"{os.path.join(root, 'val')} lacks val_annotations.txt or images/. Unpack the archive again; if val/ was "
            "sorted into class folders, read the set with --dataset=folder."
        )
    rows = [line.split() for line in _text(annotations).splitlines() if line.strip()]
    if short := [row for row in rows if len(row) < 2]:
        raise DataSetError(
            f"{annotations} has {len(short)} line(s) without file name and class, first {short[0]}. Unpack the archive "
            "again."
        )
    name_of = dict(row[:2] for row in rows)
    present = set(finder.images(os.path.join(root, folder)))
    if missing := sorted(set(name_of) - present):
        raise DataSetError(
            f"{len(missing)} of the {len(name_of)} images in {annotations} do not exist: {escaping.first(missing)}. "
            "Unpack again."
        )
    if absent := sorted(set(label_of) - set(name_of.values())):
        raise DataSetError(
            f"{len(absent)} class(es) have no image in {annotations}: {escaping.first(absent)}. Unpack again."
        )
    if unknown := sorted(set(name_of.values()) - set(label_of)):
        raise DataSetError(
            f"{annotations} has class(es) that wnids.txt lacks: {escaping.first(unknown)}. Unpack again."
        )
    return [(label_of[name_of[key]], os.path.join(folder, key)) for key in sorted(name_of)]
