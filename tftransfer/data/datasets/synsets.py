"""The 1000 classes of ILSVRC12, natural and man-made ones."""

import csv
import functools
import pathlib

_FILE = pathlib.Path(__file__).with_name("ilsvrc12_synsets.csv")


@functools.cache
def kinds() -> dict[str, str]:
    """Returns "natural" or "manmade" for each of the 1000 WordNet ids of ILSVRC12 (449 and 551; the authors' lists)."""
    with _FILE.open(newline="") as file:
        return {row["wnid"]: row["half"] for row in csv.DictReader(file)}
