"""The options of `python -m tftransfer.run`, and the treatment that they describe."""

import dataclasses
import difflib
import re
from collections.abc import Sequence

from tftransfer.cli.options import COMMAND, at_least, option
from tftransfer.experiment import splits, treatments
from tftransfer.experiment.config import BASES, BUDGETS, Config
from tftransfer.models import catalog

_NUMBER = re.compile("[+-]?[0-9]{1,9}")


def freeze_expected(value: str) -> str | None:
    """Accepts numbers of blocks and `all`."""
    is_number = value.isdecimal() and value.isascii() and len(value) < 5
    return None if is_number or value in ("", "all") else "0, 1, 2 ... or all"


@dataclasses.dataclass(frozen=True)
class RunConfig(Config):
    """The options of `python -m tftransfer.run`."""

    treatment: str = option("", COMMAND, "base, BnB, AnB, BnB+, AnB+, RnB, SnB, AnA ..., or with a number, as in B4B+")
    n: str = option("", COMMAND, "number of blocks to copy (AlexNet: 1 to 7), or the name of the last, as in conv3")
    target: str = option("", COMMAND, "--treatment=base: classes to train on, A, B or all")
    freeze: str = option(
        "", COMMAND, "keep the first N blocks of the source as they are and tune the rest from its weights, new head; "
        "0: tune all, all: train the head alone. The paper's AnB differs: it starts the rest anew", freeze_expected,
    )  # fmt: skip
    policy: str = option(
        "", COMMAND, "one decision per block, k keep, t tune, n new, d drop, as in k4t3n1 or k4d3n1; * stands for the "
        "rest, as in k4t*n1; blocks come from A, training is on B",
    )  # fmt: skip
    base: str = option(
        "auto", COMMAND, "whether the base of the target, from scratch, is trained to compare with; auto: yes, but no "
        "where pretrained weights meet all classes of the data set", choices=BASES,
    )  # fmt: skip
    preserve: int = option(0, COMMAND, "blocks above the n frozen ones that are copied and fine-tuned", at_least(0))
    release_step: int = option(0, COMMAND, "first step that trains preserved blocks; 0: from the start", at_least(0))
    budget: str = option(
        "equal_steps",
        COMMAND,
        "equal_total: also train a base for the steps of source and target together",
        choices=BUDGETS,
    )
    dry_run: bool = option(False, COMMAND, "print what would be trained, and why, then stop")
    force: bool = option(False, COMMAND, "train this network again, even if it is done")
    list: bool = option(False, COMMAND, "print the names of data sets, models and treatments, then stop")
    list_blocks: bool = option(
        False, COMMAND, "print the model's blocks, their cost, and where it can be cut, then stop"
    )
    version: bool = option(False, COMMAND, "print the version, then stop")


def parse_treatment(config: RunConfig, given: set[str], blocks: Sequence[str] | None = None) -> treatments.Treatment:
    """Reads the treatment of a `run`.

    Args:
        config: The options.
        given: Names of the options which the user set, to tell `--n=0` from no `--n`.
        blocks: The model's blocks if Keras was asked for them; by default what is known without.

    Returns:
        The treatment. Its `n` is None if it is the name of a block that only Keras can look up.
    """
    ways = [name for name in ("treatment", "policy", "freeze") if getattr(config, name)]
    if len(ways) != 1:
        raise ValueError(
            f"Which network? Expected one of --treatment={'|'.join(treatments.TREATMENTS)}, --freeze=N and --policy. "
            f"Received {' and '.join(f'--{name}={getattr(config, name)}' for name in ways) or 'none'}."
        )
    blocks = blocks or catalog.blocks_of(config.model, config.blocks)
    config.refuse_unused(given)
    catalog.check_reachable(config.model)
    config.check_release(config.release_step)
    treatment = _treatment(config, given, blocks)
    if config.pretrained and treatment.source not in treatments.HALVES:
        raise ValueError(
            f"--pretrained stands in the place of a base that is copied from, so it goes with AnB, AnB+, --freeze, "
            f"--policy and the like. Received: --treatment={config.treatment}"
        )
    if config.pretrained and config.budget == "equal_total":
        raise ValueError(
            "--budget=equal_total trains a base as long as source and target together, and how long the weights of "
            "--pretrained were trained is not known. Leave one of them out."
        )
    if config.budget == "equal_total" and not treatments.longer_base(treatment):
        raise ValueError(
            f"--budget=equal_total compares with a base trained as long as source and target together, so the source "
            f"must be a base. Received: --treatment={config.treatment}"
        )
    return treatment


def _treatment(config: RunConfig, given: set[str], blocks: Sequence[str] | None) -> treatments.Treatment:
    """Returns the treatment of the options, of which one says what it is."""
    count = len(blocks) if blocks else None
    if config.treatment:
        n = block_number(config.n, blocks) if "n" in given else None
        target = config.target or None
        if config.treatment == "base" and config.split == splits.WHOLE:
            target = target or "B"
        return treatments.parse(config.treatment, n, target, count, config.preserve, config.release_step)
    idle = [name for name in ("n", "preserve", "release_step") if name in given]
    if idle or config.target not in ("", "B"):
        raise ValueError(
            f"--{'policy' if config.policy else 'freeze'} decides on every block, and trains on B. Leave "
            f"--{idle[0] if idle else 'target'} out."
        )
    if config.policy:
        return treatments.by_policy(config.policy, blocks=count)
    return treatments.by_policy(freeze_policy(config.freeze, count), blocks=count)


def freeze_policy(freeze: str, blocks: int | None) -> str:
    """Returns the policy that `--freeze` stands for.

    Args:
        freeze: Number of blocks that are kept, or `all`.
        blocks: Number of blocks of the network, its head included; None if it is not known yet.

    Example:
        >>> freeze_policy("12", 20), freeze_policy("0", 20), freeze_policy("all", 20)
        ('k12t7n1', 't19n1', 'k19n1')
    """
    if freeze == "all":
        return f"k{blocks - 1}n1" if blocks else "k*n1"
    kept = int(freeze)
    if blocks and kept > blocks - 1:
        raise ValueError(
            f"--freeze must be 0 to {blocks - 1}, or all: the network has {blocks} blocks, and its head is always "
            f"trained. Received: --freeze={freeze}"
        )
    if blocks and kept == blocks - 1:
        return f"k{kept}n1"
    return (f"k{kept}" if kept else "") + (f"t{blocks - 1 - kept}n1" if blocks else "t*n1")


def block_number(text: str, blocks: Sequence[str] | None) -> int | str:
    """Returns the number of blocks that `--n` means: a number, or the name of the last copied block.

    Args:
        text: Value of the option.
        blocks: The model's blocks from the input upwards; None if they are not known yet.

    Returns:
        The number; the name as it is if it cannot be looked up yet.

    Raises:
        ValueError: If the model has no such block below its head.
    """
    if _NUMBER.fullmatch(str(text)):
        return int(text)
    if blocks is None:
        return text
    if text not in blocks[:-1]:
        near = difflib.get_close_matches(text, blocks[:-1], n=3)
        raise ValueError(
            f"No block to copy up to has that name. Expected --n=1 to --n={len(blocks) - 1}, or one of "
            f"{', '.join(blocks[:-1])}. Received: --n={text}"
            + (f" (did you mean {' or '.join(near)}?)" if near else "")
        )
    return blocks.index(text) + 1
