"""`folder`: any images, sorted into a folder per class.

Either `train/<class>/...` with `val/<class>/...` (or `validation`, `valid`, `test`) beside it, or only `<class>/...`;
then about a fifth of each class is held out for validation, each image by its own name, whatever the others are.
"""

import collections
import os

from tftransfer.data.datasets.dataset import Dataset, DataSetError, existing_folder
from tftransfer.data.datasets.files import Finder, file_examples, listing_identity
from tftransfer.seeds import derive
from tftransfer.system import escaping

# The paper's data sets come with a validation subset; for folders without one, a fifth is the field's usual fraction.
HOLDOUT_FRACTION = 1 / 5
# Note of the classes for which the hash of names would leave one subset empty.
SMALL_CLASSES = "classes_so_small_that_other_images_may_be_held_out_when_some_are_added"
VALIDATION_FOLDERS = ("val", "validation", "valid", "test")
LAYOUT = "a folder with train/<class>/<image files> and val/ (or test/) beside it, or with <class>/<image files> alone"


def describe(data_dir: str | None) -> tuple[str, ...]:
    """Returns the sorted class names, from folder names alone."""
    root = existing_folder(data_dir, "folder", LAYOUT)
    return _classes(root, Finder(root))[2]


def _classes(root: str, finder: Finder) -> tuple[str, str | None, tuple[str, ...]]:
    """Returns the folders of both subsets below `root`, as `_subset_folders`, and the class names."""
    train, validation = _subset_folders(root, finder)
    class_names = finder.folders(os.path.join(root, train))
    if not class_names:
        raise DataSetError(f"No classes in {os.path.join(root, train)}: it holds no folder. Expected: {LAYOUT}.")
    if validation is not None:
        _refuse_one_sided(root, (train, class_names), (validation, finder.folders(os.path.join(root, validation))))
    return train, validation, tuple(class_names)


def open_dataset(data_dir: str | None) -> Dataset:
    """Returns the data set of the images below `data_dir`."""
    root = existing_folder(data_dir, "folder", LAYOUT)
    finder, notes = Finder(root), collections.Counter()
    train, validation, class_names = _classes(root, finder)
    listings = {"train": [], "val": []}
    for label, name in enumerate(class_names):
        train_keys = _class_images(root, os.path.join(train, name), finder)
        if validation is not None:
            val_keys = _class_images(root, os.path.join(validation, name), finder)
        else:
            train_keys, val_keys, is_steady = hold_out(train_keys, name)
            notes[SMALL_CLASSES] += not is_steady
        listings["train"] += [(label, key) for key in train_keys]
        listings["val"] += [(label, key) for key in val_keys]
    notes["ignored_files"] = finder.ignored
    return Dataset(
        name="folder",
        class_names=class_names,
        class_kinds=(None,) * len(class_names),
        native_size=None,
        identity=listing_identity(root, class_names, listings, finder),
        subsets={subset: file_examples(root, listing) for subset, listing in listings.items()},
        notes=+notes,
        left_out=finder.left_out,
    )


def hold_out(keys: list[str], class_name: str, fraction: float = HOLDOUT_FRACTION) -> tuple[list[str], list[str], bool]:
    """Divides the images of one class into training and validation images, each in the order given.

    An image is held out if the hash of its name and class falls into the lowest `fraction`. Adding or removing
    images therefore never moves another one, and no network that was trained before has seen a validation image of
    today. Only if the hash would leave a subset empty is the nearest image moved: the lowest hash is held out, the
    highest trains. Such a class may exchange that one image when it grows.

    Args:
        keys: The images of the class, at least two, as paths below the folder of the data set.
        class_name: Name of the class.
        fraction: Fraction that is held out, 0 to 1.

    Returns:
        Training images, validation images (about `fraction` of all), and whether the hash alone decided.
    """
    if len(keys) < 2:
        raise DataSetError(
            f"The class {class_name!r} has {len(keys)} image(s); without a val/ folder each class needs two or more, "
            "one of them to be held out. Add images, or lay the data out as train/<class> and val/<class>."
        )
    hashes = {key: derive(0, "holdout", class_name, key) / 2**31 for key in keys}  # 0 to below 1
    by_hash = sorted(keys, key=hashes.__getitem__)
    below = sum(value < fraction for value in hashes.values())
    held = set(by_hash[: min(max(1, below), len(keys) - 1)])
    return [key for key in keys if key not in held], [key for key in keys if key in held], len(held) == below


def validation_folder(data_dir: str | None) -> str | None:
    """Returns the name of the folder of validation images; None if a fraction of each class is held out instead."""
    root = existing_folder(data_dir, "folder", LAYOUT)
    return _subset_folders(root, Finder(root))[1]


def _subset_folders(root: str, finder: Finder) -> tuple[str, str | None]:
    """Returns the folders of the training and validation classes below `root`; None if there is one for both."""
    names = finder.folders(root)
    if "train" not in names or not finder.folders(os.path.join(root, "train")):
        return "", None  # a class may be called "train", but only a subset holds folders
    for name in VALIDATION_FOLDERS:
        if name in names:
            return "train", name
    raise DataSetError(
        f"{root} has train/ but none of {', '.join(name + '/' for name in VALIDATION_FOLDERS)} beside it; found: "
        f"{escaping.first(names)}. Add one, or pass --data_dir={os.path.join(root, 'train')} to hold about a fifth of "
        "each class out."
    )


def _refuse_one_sided(root: str, one: tuple[str, list[str]], other: tuple[str, list[str]]) -> None:
    """Raises DataSetError if a class is in one subset only."""
    for (here, present), (there, expected) in ((one, other), (other, one)):
        if missing := sorted(set(expected) - set(present)):
            raise DataSetError(
                f"{len(missing)} class(es) of {there}/ are missing in {here}/ of {root}: {escaping.first(missing)}. "
                "Both subsets need the same classes; add the folders, or remove those classes from the other side."
            )


def _class_images(root: str, folder: str, finder: Finder) -> list[str]:
    """Returns the images of one class as paths below `root`."""
    keys = [f"{folder}/{key}" for key in finder.images(os.path.join(root, folder))]
    if not keys:
        raise DataSetError(
            f"No images in {os.path.join(root, folder)}. Expected files ending in .jpg, .png, .bmp, .gif, .webp or "
            ".tif; add some or remove the folder."
        )
    return keys
