"""Effects against images per class: transfer with more and less target data."""

import pandas as pd

from tftransfer.analysis import intervals
from tftransfer.analysis.frames import BASE

# Networks that agree in these are one curve over images per class; _UNIT identifies them at one number of images.
CURVE = ("recipe", "halves", "treatment", "n", "policy", "preserve", "release_step")
_UNIT = ["target", "split", "seed"]


def data_size(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns the difference from the base by treatment and number of images per class.

    Args:
        frame: From `networks`. Excluded networks, bases and networks without a base are ignored.

    Returns:
        One row per value of `CURVE` (recipe, halves, treatment, n, policy, preserve, release step) and images per
        class, of the curves that have at least two numbers of images; sorted by them, all images (0) last:

        - `images_per_class`: 0 stands for all images.
        - `top1`, `base`: mean top-1 of the networks and of their own bases. `minus_base`: mean of the differences, each
          split counting equally. Fractions.
        - `low`, `high`: 95 % interval of `minus_base` for this row alone; NaN where there is none. `over` and
          `clusters` as in `effects`. `count`: pairs.
        - `common`: True where all points of the curve are over the same targets, splits and seeds. Pairs that some
          points lack are ignored in all. False where no pairs are shared; then each point is over its own.
    """
    pairs = frame[frame["excluded"].eq("") & frame["minus_base"].notna() & ~frame["treatment"].str.startswith(BASE)]
    rows = []
    for values, curve in pairs.groupby(list(CURVE), sort=True):
        sizes = sorted(curve["images_per_class"].unique(), key=lambda size: (size == 0, size))
        if len(sizes) < 2:
            continue
        shared = _shared(curve, len(sizes))
        used = curve if shared.empty else shared
        for size in sizes:
            point = used[used["images_per_class"].eq(size)]
            described = dict(zip(CURVE, values, strict=True)) | {"images_per_class": int(size)}
            rows.append(described | _point(point) | {"common": not shared.empty})
    columns = [*CURVE, "images_per_class", "top1", "base", "minus_base", "low", "high", "over", "clusters", "count"]
    return pd.DataFrame(rows, columns=[*columns, "common"])


def _shared(curve: pd.DataFrame, sizes: int) -> pd.DataFrame:
    """Returns the pairs of the targets, splits and seeds that have every number of images."""
    return curve[curve.groupby(_UNIT)["images_per_class"].transform("nunique").eq(sizes)]


def _point(point: pd.DataFrame) -> dict[str, float | int | str]:
    """Returns the numbers at one number of images."""
    interval = intervals.mean_of(point, "minus_base")
    return {
        "top1": point["top1"].mean(),
        "base": (point["top1"] - point["minus_base"]).mean(),
        "minus_base": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "over": interval.over,
        "clusters": interval.clusters,
        "count": len(point),
    }
