"""Draws a contact sheet of all kinds: `python -m tftransfer.data.motifs --sheet=docs/motifs.png` (needs Pillow)."""

import argparse
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tftransfer.data import motifs

_ZOOM, _SAMPLES, _COLUMNS = 2, 5, 4
_TILE = motifs.IMAGE_SIZE * _ZOOM
_WIDTH, _HEIGHT = _SAMPLES * (_TILE + 2) + 18, _TILE + 26  # of one kind, with its label and margins
_TITLE = 34
_TITLES = {"manmade": "20 man-made kinds", "natural": "20 natural kinds"}


def sheet(subset: str = "train") -> Image.Image:
    """Returns a picture of five samples of every kind, man-made above natural."""
    rows = 20 // _COLUMNS
    page = Image.new("RGB", (_COLUMNS * _WIDTH + 18, 2 * (_TITLE + rows * _HEIGHT) + 10), "white")
    pen = ImageDraw.Draw(page)
    label, title = ImageFont.load_default(13), ImageFont.load_default(20)
    top = 4
    for group, heading in _TITLES.items():
        pen.text((18, top + 4), heading, "black", title)
        names = [name for name in motifs.CLASS_NAMES if motifs.MOTIFS[name] == group]
        for place, name in enumerate(names):
            left, above = 18 + place % _COLUMNS * _WIDTH, top + _TITLE + place // _COLUMNS * _HEIGHT
            pen.text((left, above), name.replace("_", " "), "#333333", label)
            for index in range(_SAMPLES):
                tile = np.kron(motifs.draw(name, subset, index), np.ones((_ZOOM, _ZOOM, 1), np.uint8))
                tile = tile // 6 * 6  # invisible, and the file shrinks by a third
                page.paste(Image.fromarray(tile), (left + index * (_TILE + 2), above + 18))
        top += _TITLE + rows * _HEIGHT
    return page


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the contact sheet where `--sheet` says."""
    parser = argparse.ArgumentParser(prog="python -m tftransfer.data.motifs", description=__doc__)
    parser.add_argument("--sheet", required=True, help="PNG file to write")
    sheet().save(parser.parse_args(arguments).sheet, optimize=True)


if __name__ == "__main__":
    main()
