"""The options of `python -m tftransfer.run`, and the treatment that they describe."""

import dataclasses
import difflib
import re
from collections.abc import Sequence

from tftransfer.cli.options import COMMAND, at_least, option
from tftransfer.experiment import treatments
from tftransfer.experiment.config import BUDGETS, Config
from tftransfer.models import catalog

_NUMBER = re.compile("[+-]?[0-9]{1,9}")


@dataclasses.dataclass(frozen=True)
class RunConfig(Config):
    """The options of `python -m tftransfer.run`."""

    treatment: str = option("", COMMAND, "base, BnB, AnB, BnB+, AnB+, RnB, SnB, AnA ..., or with a number, as in B4B+")
    n: str = option("", COMMAND, "number of blocks to copy (AlexNet: 1 to 7), or the name of the last, as in conv3")
    target: str = option("", COMMAND, "--treatment=base: classes to train on, A, B or all")
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
    if not config.treatment:
        raise ValueError(f"Which network? Expected --treatment={'|'.join(treatments.TREATMENTS)}. Received none.")
    blocks = blocks or catalog.blocks_of(config.model, config.blocks)
    n = block_number(config.n, blocks) if "n" in given else None
    config.refuse_unused(given)
    catalog.check_reachable(config.model)
    config.check_release(config.release_step)
    treatment = treatments.parse(
        config.treatment,
        n,
        config.target or None,
        len(blocks) if blocks else None,
        config.preserve,
        config.release_step,
    )
    if config.pretrained and treatment.source not in treatments.HALVES:
        raise ValueError(
            f"--pretrained stands in the place of a base that is copied from, so it goes with AnB, BnB, AnB+ and the "
            f"like. Received: --treatment={config.treatment}"
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
