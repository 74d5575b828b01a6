"""Table 1 of the paper, the boost of fine-tuned transfer averaged over n: as the paper averages, and paired."""

import pandas as pd

from tftransfer.analysis import intervals
from tftransfer.analysis.differences import pairs
from tftransfer.analysis.frames import BASE

RANGES = ((1, 7), (3, 7), (5, 7))
TRANSFER, CONTROL = "AnB+", "BnB+"
BY = ["recipe", "halves", "images_per_class"]


def boosts(frame: pd.DataFrame, ranges: tuple[tuple[int, int], ...] = RANGES) -> pd.DataFrame:
    """Returns the gain of fine-tuned transfer over ranges of n.

    The paper subtracts the mean of all bases, and the mean of all BnB+ networks, from the mean of all AnB+ networks. If
    these have other targets, the result includes the difference in difficulty of the targets. The paired columns first
    take each network's difference from the base of its own target, split and seed.

    Args:
        frame: From `networks`. Networks with preserved blocks or staged release are left out.
        ranges: First and last n of each row.

    Returns:
        One row per value of `BY` (recipe, halves, images per class) with AnB+ networks, and range:
        `first`, `last`, and as fractions, NaN where there are no networks:

        - `transfer_n`, `control_n`: the n that AnB+ and BnB+ networks have there, tuples.
        - `transfers`, `controls`: numbers of AnB+ and BnB+ networks; `over_base`, `over_control`: the paper's
          averaging.
        - `transfer_paired`, `control_paired`: mean difference from the own base. `difference_of_means`: the first minus
          the second, which includes the effect of different targets, splits and n.
        - `difference_paired`: mean of AnB+ minus BnB+ over the `common` cells (same n, target, split and seed) that
          have both, each split counting equally, with `low`, `high`, `over`, `clusters`, `images`; NaN where there are
          none.
    """
    fine = frame[frame["excluded"].eq("") & frame["preserve"].eq(0) & frame["release_step"].eq(0)]
    rows = []
    for values, group in fine.groupby(BY, sort=True):
        if group["treatment"].eq(TRANSFER).any():
            rows += [dict(zip(BY, values, strict=True)) | _row(group, first, last) for first, last in ranges]
    return pd.DataFrame(rows)


def _row(fine: pd.DataFrame, first: int, last: int) -> dict[str, float | int | str]:
    """Returns the numbers of one range of n."""
    within = fine[fine["n"].between(first, last)]
    transfer, control = (within[within["treatment"].eq(name)] for name in (TRANSFER, CONTROL))
    both = pairs(within, TRANSFER, CONTROL)
    interval = intervals.mean_of(both, "difference")
    own, others = transfer["minus_base"].mean(), control["minus_base"].mean()
    mean = transfer["top1"].mean()
    return {
        "first": first,
        "last": last,
        "transfer_n": tuple(sorted(map(int, set(transfer["n"])))),
        "control_n": tuple(sorted(map(int, set(control["n"])))),
        "transfers": len(transfer),
        "controls": len(control),
        "over_base": mean - fine.loc[fine["treatment"].eq(BASE), "top1"].mean(),
        "over_control": mean - control["top1"].mean(),
        "transfer_paired": own,
        "control_paired": others,
        "difference_of_means": own - others,
        "common": len(both),
        "difference_paired": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "over": interval.over,
        "clusters": interval.clusters,
        "images": interval.images,
    }
