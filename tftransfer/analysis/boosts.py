"""Table 1 of the paper, the boost of fine-tuned transfer averaged over n: as the paper averages, and paired."""

import pandas as pd

from tftransfer.analysis.differences import pairs
from tftransfer.analysis.roles import BASE

RANGES = ((1, 7), (3, 7), (5, 7))


def boosts(frame: pd.DataFrame, ranges: tuple[tuple[int, int], ...] = RANGES) -> pd.DataFrame:
    """Returns how much fine-tuned transfer gains, over ranges of n.

    The paper subtracts the mean of all bases, and the mean of all BnB+ networks, from the mean of all AnB+ networks. If
    these have other targets, the difference holds that of the targets' difficulty, too. The paired columns take each
    network's difference from the base of its own target, split and seed first.

    Args:
        frame: From `networks`, of one recipe and one kind of halves.
        ranges: First and last n of each row.

    Returns:
        One row per range: `first`, `last`, `transfers` and `controls` (how many AnB+ and BnB+ networks), `over_base`
        and `over_control` (the paper's averaging), `transfer_paired`, `control_paired` (mean difference from the own
        base) and `difference_paired`. Shares; NaN where there are no networks.
    """
    fine = frame[frame["set_apart"].eq("")]
    bases = fine.loc[fine["treatment"].eq(BASE), "top1"].mean()
    rows = []
    for first, last in ranges:
        within = fine[fine["n"].between(first, last)]
        transfer, control = (within.loc[within["treatment"].eq(name), "top1"] for name in ("AnB+", "BnB+"))
        paired = {}
        for column, name in (("transfer_paired", "AnB+"), ("control_paired", "BnB+")):
            found = pairs(fine, name, BASE)
            paired[column] = found.loc[found["n"].between(first, last), "difference"].mean()
        rows.append(
            {"first": first, "last": last, "transfers": len(transfer), "controls": len(control)}
            | {"over_base": transfer.mean() - bases, "over_control": transfer.mean() - control.mean()}
            | paired
            | {"difference_paired": paired["transfer_paired"] - paired["control_paired"]}
        )
    return pd.DataFrame(rows)
