"""Folders of small images, as data sets of files: sorted into subsets and classes, or as Tiny ImageNet has them."""

import pathlib

from PIL import Image


def write_image(path: pathlib.Path, colour: int = 0) -> None:
    """Writes an image of 6 x 6 pixels, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 6), (colour, 0, 0)).save(path)


def write_subsets(root: pathlib.Path) -> pathlib.Path:
    """Writes three training and two validation images of the classes a and b; returns the folder."""
    for subset, count in (("train", 3), ("val", 2)):
        for name in ("b", "a"):
            for index in range(count):
                write_image(root / subset / name / f"{index}.png")
    return root


def write_tiny_imagenet(root: pathlib.Path) -> pathlib.Path:
    """Writes six training and four validation images of two classes as the archive has them; returns the folder."""
    names = ["n02000002", "n01000001"]
    for name in names:
        for index in range(3):
            write_image(root / "train" / name / "images" / f"{name}_{index}.JPEG")
    for index in range(4):
        write_image(root / "val" / "images" / f"val_{index}.JPEG")
    (root / "wnids.txt").write_text("\n".join(names))
    lines = [f"val_{index}.JPEG\t{names[index % 2]}\t0\t0\t6\t6" for index in range(4)]
    (root / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    return root


def labels_and_keys(dataset, subset: str) -> list[tuple[int, str]]:
    """Returns label and key of every example of a subset."""
    return [(example.label, example.key) for example in dataset.examples(subset)]
