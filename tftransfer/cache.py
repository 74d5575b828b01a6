"""The command that lists the cache: prepared images, and features of frozen blocks that were computed once.

python -m tftransfer.cache
python -m tftransfer.cache --remove_features
"""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer.cli import command_line
from tftransfer.cli.options import COMMAND, MACHINE, check_fields, no_nul, option
from tftransfer.data import feature_files
from tftransfer.data.manifest import Manifest, StoreError
from tftransfer.experiment import prepared_images
from tftransfer.experiment.config import Config
from tftransfer.system import escaping

_USAGE = """
usage: python -m tftransfer.cache [--cache_dir=FOLDER] [--remove_features]

Lists what lies in the cache, with sizes: images that were prepared, and features of frozen blocks that were computed
once. All of it is made again where it is needed. Features keep to --cache_limit of the commands that train: those that
were used least recently go first.
"""


@dataclasses.dataclass(frozen=True)
class CacheConfig:
    """The options of `python -m tftransfer.cache`."""

    cache_dir: str = option("", MACHINE, "folder of prepared images; without: ~/.cache/tftransfer", no_nul)
    remove_features: bool = option(False, COMMAND, "remove all features, except those that a process uses now")

    def __post_init__(self) -> None:
        """Checks the options; raises ValueError."""
        check_fields(self)


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    options, _ = command_line.parse(CacheConfig, argv, _USAGE)
    folder = pathlib.Path(prepared_images.cache_folder(Config(cache_dir=options.cache_dir)))
    features = folder / feature_files.FOLDER
    if options.remove_features:
        gone = [entry.bytes for entry in feature_files.listed(features) if feature_files.remove(features, entry.name)]
        escaping.say(f"removed {len(gone)} files of features, {_size(sum(gone))}")
    escaping.say(table(folder))
    return 0


def table(folder: pathlib.Path) -> str:
    """Returns the list of a cache folder: its prepared images, then its features, the most recently used first."""
    stores = list(_stores(folder))
    kept = feature_files.listed(folder / feature_files.FOLDER)
    total = sum(entry.bytes for entry in kept)
    rows = [f"prepared images in {escaping.terminal(folder)}: {_size(sum(size for _, size in stores))}"]
    rows += [f"  {_size(size):>9}  {text}" for text, size in stores]
    rows += [f"features of frozen blocks in {escaping.terminal(folder / feature_files.FOLDER)}: {_size(total)}"]
    rows += [f"  {_size(entry.bytes):>9}  {_described(entry)}" for entry in kept]
    return "\n".join(rows)


def _stores(folder: pathlib.Path):
    """Yields each finished store in words, with its bytes."""
    for path in sorted(folder.glob("*/store.json")):
        with contextlib.suppress(StoreError):
            manifest = Manifest.read(str(path.parent))
            text = f"{escaping.terminal(manifest.dataset)} at {manifest.size} pixels, {manifest.encoding}"
            yield text, sum(size for size, _ in manifest.files.values())


def _described(entry: feature_files.Entry) -> str:
    """Returns features in words: of which blocks of which model, of how many images, and when they were used."""
    cut, options = _part(entry.key, "cut"), _part(_part(entry.key, "architecture"), "options")
    what = f"{options.get('model', 'unknown')} up to {cut.get('block', 'an unknown block')}"
    shape = " x ".join(map(str, entry.shape[1:]))
    hours = max(0.0, time.time() - entry.used) / 3600
    when = "in use" if entry.in_use else f"used {hours:.0f} h ago" if hours < 48 else f"used {hours / 24:.0f} days ago"
    images = f"{entry.shape[0]:,} images, {shape}" if entry.shape else "damaged"
    return f"{escaping.terminal(what)}: {images}, {when}"


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


if __name__ == "__main__":
    command_line.main(main)
