"""Images in files: finding them below a folder, listing them as examples."""

import collections
import os
import stat
from collections.abc import Iterator, Sequence

from tftransfer.data.datasets.dataset import DataSetError, Digest, Examples, FileExample

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
# ImageNet-21k has 14 million files. Links can make a small tree endless.
MOST_ENTRIES = 20_000_000
FOLDER, IMAGE = "folder", "image"
LINK_BACK = "a link to a folder that is read already, or to one above"


class Finder:
    """Finds image files below a folder, and lists what it leaves out.

    Args:
        root: Folder of the data set; names are relative to it.

    Attributes:
        ignored: Number of files without the extension of an image. Hidden files are not counted.
        left_out: Reasons why files or folders that look like images are left out, by path below `root`.
        versions: Size in bytes and time of change (nanoseconds) of every image, by path.
    """

    def __init__(self, root: str):
        self._root = root
        self._entries = 0
        self.ignored = 0
        self.left_out: dict[str, str] = {}
        self.versions: dict[str, tuple[int, int]] = {}

    def images(self, folder: str) -> list[str]:
        """Returns the images below `folder` as relative paths with "/", in plain sorted order.

        Every real folder is read once, however many links lead to it, and under its own name rather than a link's.

        Raises:
            DataSetError: If a folder cannot be read, or there is no end of them.
        """
        names: list[str] = []
        seen = _above(folder)
        folders, links = collections.deque([(folder, "")]), collections.deque()
        while folders or links:
            is_link = not folders
            path, prefix = (links if is_link else folders).popleft()
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in seen:
                self._leave_out(path, LINK_BACK)
                continue
            seen.add((status.st_dev, status.st_ino))
            for entry in self._read(path):
                kind = self._kind(entry)
                if kind == FOLDER:
                    (links if entry.is_symlink() else folders).append((entry.path, f"{prefix}{entry.name}/"))
                elif kind == IMAGE:
                    names.append(prefix + entry.name)
        return sorted(names)

    def folders(self, path: str) -> list[str]:
        """Returns the names of the visible folders in `path`, sorted; links that lead back up are left out."""
        above = _above(path) | {_place(path)}
        names = []
        for entry in self._read(path):
            try:
                is_folder = entry.is_dir()
                if entry.is_symlink() and _place(entry.path) in above:
                    self._leave_out(entry.path, LINK_BACK)
                    continue
            except OSError as error:
                self._leave_out(entry.path, f"a link to nothing ({error.strerror})")
                continue
            names += [entry.name] if is_folder else []
        return sorted(names)

    def _read(self, path: str) -> list[os.DirEntry]:
        """Returns the visible entries of a folder by name."""
        try:
            with os.scandir(path) as entries:
                visible = []
                for entry in entries:
                    self._entries += 1
                    if self._entries > MOST_ENTRIES:
                        raise DataSetError(
                            f"There is no end of files below {self._root}: more than {MOST_ENTRIES:,} were seen. Do "
                            "links lead from class to class? Pass the --data_dir of the images alone."
                        )
                    if not entry.name.startswith("."):
                        visible.append(entry)
        except OSError as error:
            raise DataSetError(
                f"Cannot read the folder {path}: {error.strerror}. Allow it, or take the folder away."
            ) from error
        return sorted(visible, key=lambda entry: entry.name)

    def _kind(self, entry: os.DirEntry) -> str:
        """Returns the kind of an entry, "folder", "image" or "" (not used); lists what only looks like an image."""
        has_extension = entry.name.lower().endswith(EXTENSIONS)  # hidden files, such as ".png", never get here
        try:
            status = os.stat(entry.path)
        except OSError as error:
            self._leave_out(entry.path, f"a link to nothing ({error.strerror})" if entry.is_symlink() else str(error))
            return ""
        if stat.S_ISDIR(status.st_mode):
            return FOLDER
        if not has_extension:
            self.ignored += 1
            return ""
        if not stat.S_ISREG(status.st_mode):
            self._leave_out(entry.path, "no regular file")
            return ""
        self.versions[entry.path] = status.st_size, status.st_mtime_ns
        return IMAGE

    def _leave_out(self, path: str, reason: str) -> None:
        self.left_out[os.path.relpath(path, self._root)] = reason


def _place(path: str) -> tuple[int, int]:
    """Returns device and inode of a folder, which links to it share."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _above(folder: str) -> set[tuple[int, int]]:
    """Returns the places of the folders above `folder`, as its own path and as links lead to it."""
    places = set()
    for path in {os.path.abspath(folder), os.path.realpath(folder)}:
        while (parent := os.path.dirname(path)) != path:
            places.add(_place(parent))
            path = parent
    return places


def file_examples(root: str, listing: Sequence[tuple[int, str]]) -> Examples:
    """Returns the examples of `listing`, pairs of a label and a path below `root`; the path is the key."""
    below = os.path.join(root, "")  # os.path.join for each of a million images would take most of the time

    def between(start: int, stop: int) -> Iterator[FileExample]:
        for position in range(start, stop):
            label, key = listing[position]
            yield FileExample(label, key, below + key)

    return Examples(len(listing), between, [label for label, _ in listing])


def listing_identity(
    root: str, class_names: Sequence[str], listings: dict[str, list[tuple[int, str]]], finder: Finder
) -> str:
    """Returns a SHA-256 over class names and over label, path below `root`, size and change of every image."""
    digest, below = Digest(tuple(class_names)), os.path.join(root, "")
    for subset, listing in listings.items():
        digest.add(subset, len(listing))
        for label, key in listing:
            digest.add(label, key, finder.versions[below + key])
    return digest.hexdigest()
