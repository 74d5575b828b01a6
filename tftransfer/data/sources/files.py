"""Images that lie in files: finding them below a folder, listing them as examples."""

import os
from collections.abc import Iterator, Sequence

from tftransfer.data.sources.source import Digest, Examples, FileExample

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})


class Finder:
    """Finds image files and counts what it leaves aside.

    Attributes:
        ignored: Files seen whose extension is none of an image. Hidden files are not counted.
        versions: Size in bytes and time of change of every image found, by path.
    """

    def __init__(self):
        """Starts with nothing seen."""
        self.ignored = 0
        self.versions: dict[str, tuple[int, int]] = {}

    def images(self, folder: str) -> list[str]:
        """Returns the images below `folder` as relative paths with "/", in plain sorted order."""
        return sorted(self._walk(folder, "", frozenset()))

    def _walk(self, folder: str, prefix: str, above: frozenset) -> Iterator[str]:
        """Yields relative paths below `folder`; links to folders are followed, but never in circles."""
        status = os.stat(folder)
        above |= {(status.st_dev, status.st_ino)}
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    inner = entry.stat()
                    if (inner.st_dev, inner.st_ino) not in above:
                        yield from self._walk(entry.path, f"{prefix}{entry.name}/", above)
                elif os.path.splitext(entry.name)[1].lower() not in EXTENSIONS:
                    self.ignored += 1
                elif entry.is_file():
                    status = entry.stat()
                    self.versions[entry.path] = status.st_size, status.st_mtime_ns
                    yield prefix + entry.name


def folders_in(path: str) -> list[str]:
    """Returns the names of the visible folders in `path`, sorted."""
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def file_examples(root: str, listing: Sequence[tuple[int, str]]) -> Examples:
    """Returns the examples of `listing`, pairs of a label and a path below `root`; the path is the key."""

    def between(start: int, stop: int) -> Iterator[FileExample]:
        for position in range(start, stop):
            label, key = listing[position]
            yield FileExample(label, key, os.path.join(root, key))

    return Examples(len(listing), between)


def listing_identity(
    root: str, class_names: Sequence[str], listings: dict[str, list[tuple[int, str]]], finder: Finder
) -> str:
    """Returns a SHA-256 over class names and over label, path below `root`, size and change of every image."""
    digest = Digest(tuple(class_names))
    for split, listing in listings.items():
        digest.add(split, len(listing))
        for label, key in listing:
            digest.add(label, key, finder.versions[os.path.join(root, key)])
    return digest.hexdigest()
