"""`folder`: any images, sorted into a folder per class.

Either `train/<class>/...` with `val/<class>/...` (or `validation`, `valid`, `test`) beside it, or only `<class>/...`;
then a fifth of each class is held out for validation, always the same images.
"""

import os
import random

from tftransfer.data.sources.files import Finder, file_examples, folders_in, listing_identity
from tftransfer.data.sources.source import DataSetError, Source, existing_folder, first_ten
from tftransfer.seeds import derive

# The paper's data sets come with a validation split; for folders without one, a fifth is the field's usual share.
HOLDOUT_FRACTION = 1 / 5
VALIDATION_FOLDERS = ("val", "validation", "valid", "test")
LAYOUT = "a folder with train/<class>/<image files> and val/ (or test/) beside it, or with <class>/<image files> alone"


def describe(data_dir: str | None) -> tuple[str, ...]:
    """Returns the sorted class names, from folder names alone."""
    root = existing_folder(data_dir, "folder", LAYOUT)
    train, validation = _split_folders(root)
    class_names = folders_in(os.path.join(root, train))
    if not class_names:
        raise DataSetError(f"No classes in {os.path.join(root, train)}: it holds no folder. Expected: {LAYOUT}.")
    if validation is not None:
        _refuse_one_sided(root, (train, class_names), (validation, folders_in(os.path.join(root, validation))))
    return tuple(class_names)


def open_folder(data_dir: str | None) -> Source:
    """Lists the images below `data_dir` and returns them as a source."""
    class_names = describe(data_dir)
    root = existing_folder(data_dir, "folder", LAYOUT)
    train, validation = _split_folders(root)
    finder = Finder()
    listings = {"train": [], "val": []}
    for label, name in enumerate(class_names):
        train_keys = _class_images(root, os.path.join(train, name), finder)
        if validation is not None:
            val_keys = _class_images(root, os.path.join(validation, name), finder)
        else:
            train_keys, val_keys = hold_out(train_keys, name)
        listings["train"] += [(label, key) for key in train_keys]
        listings["val"] += [(label, key) for key in val_keys]
    return Source(
        name="folder",
        class_names=class_names,
        class_kinds=(None,) * len(class_names),
        native_size=None,
        identity=listing_identity(root, class_names, listings, finder),
        splits={split: file_examples(root, listing) for split, listing in listings.items()},
        notes={"ignored_files": finder.ignored} if finder.ignored else {},
    )


def hold_out(keys: list[str], class_name: str) -> tuple[list[str], list[str]]:
    """Parts the images of one class into training and validation images, each in the order given.

    Which images are held out depends on the class name and on the number of its images, on nothing else.

    Args:
        keys: The images of the class in source order, at least two.
        class_name: Name of the class.

    Returns:
        Training and validation images; the latter are `HOLDOUT_FRACTION` of all, and at least one.
    """
    if len(keys) < 2:
        raise DataSetError(
            f"The class {class_name!r} has {len(keys)} image(s); without a val/ folder each class needs two or more, "
            "one of them to be held out. Add images, or lay the data out as train/<class> and val/<class>."
        )
    count = max(1, round(len(keys) * HOLDOUT_FRACTION))
    # Python promises that `random()` never changes, but not how `sample` and `shuffle` use it.
    draw = random.Random(derive(0, "holdout", class_name)).random
    held = set(sorted(range(len(keys)), key=lambda _: draw())[:count])
    train = [key for position, key in enumerate(keys) if position not in held]
    return train, [keys[position] for position in sorted(held)]


def validation_folder(data_dir: str | None) -> str | None:
    """Returns the name of the folder of validation images; None if a part of each class is held out instead."""
    return _split_folders(existing_folder(data_dir, "folder", LAYOUT))[1]


def _split_folders(root: str) -> tuple[str, str | None]:
    """Returns the folders of the training and validation classes below `root`; None if there is one for both."""
    names = folders_in(root)
    if "train" not in names or not folders_in(os.path.join(root, "train")):
        return "", None  # A class may well be called "train"; a split called so holds folders.
    for name in VALIDATION_FOLDERS:
        if name in names:
            return "train", name
    raise DataSetError(
        f"{root} has train/ but none of {', '.join(name + '/' for name in VALIDATION_FOLDERS)} beside it; found: "
        f"{first_ten(names)}. Add one, or pass --data_dir={os.path.join(root, 'train')} to hold a fifth of each class "
        "out."
    )


def _refuse_one_sided(root: str, one: tuple[str, list[str]], other: tuple[str, list[str]]) -> None:
    """Raises if a class is in one split only."""
    for (here, present), (there, expected) in ((one, other), (other, one)):
        if missing := sorted(set(expected) - set(present)):
            raise DataSetError(
                f"{len(missing)} class(es) of {there}/ are missing in {here}/ of {root}: {first_ten(missing)}. Both "
                "splits need the same classes; add the folders, or remove those classes from the other side."
            )


def _class_images(root: str, folder: str, finder: Finder) -> list[str]:
    """Returns the images of one class as paths below `root`."""
    keys = [os.path.join(folder, key) for key in finder.images(os.path.join(root, folder))]
    if not keys:
        raise DataSetError(
            f"No images in {os.path.join(root, folder)}. Expected files ending in .jpg, .png, .bmp, .gif, .webp or "
            ".tif; add some or remove the folder."
        )
    return keys
