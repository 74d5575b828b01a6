"""One row per finished network of a study: what was done to it, what it scored, and against which base."""

import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from tftransfer.analysis import paper
from tftransfer.analysis.intervals import variance
from tftransfer.analysis.study import Study, read
from tftransfer.experiment import splits, treatments
from tftransfer.experiment.treatments import Treatment
from tftransfer.records import identities, record_files, record_warnings
from tftransfer.records.record_files import Record

BASE = "base"
# What must be equal for a network and a base to be compared; the base's half is the network's target.
PAIRED_BY = ("target", "split", "seed", "images_per_class", "recipe")
# Options of a treatment besides its name and n.
VARIANT = ("images_per_class", "preserve", "release_step")
# What identifies a network. Two that agree in all of these are the same network twice.
CELL = ("treatment", "n", "policy", *PAIRED_BY, "preserve", "release_step")
# Why a network is excluded from all means, besides the warnings DIVERGED and NOT_FROZEN.
DUPLICATE = "duplicate"
TYPES = {
    "n": "int64", "seed": "int64", "images_per_class": "int64", "preserve": "int64", "release_step": "int64",
    "top1": "float64", "top5": "float64", "per_class_top1": "float64", "cross_entropy": "float64",
    "minus_base": "float64", "chance": "float64", "left_chance": "boolean", "frozen_blocks_unchanged": "boolean",
    "steps": "Int64", "steps_of_source": "Int64", "classes_seen": "Int64", "seconds": "float64",
    "images_per_second": "float64", "classes": "Int64", "protocol": "Int64",
    "validation_images": "Int64", "minus_base_variance": "float64",
}  # fmt: skip
COLUMNS = (
    "name", "key", "status", "treatment", "label", "policy", "n", "target", "split", "halves", "seed",
    "images_per_class", "preserve", "release_step", "recipe", "protocol", "dataset", "model", "classes", "top1", "top5",
    "per_class_top1", "cross_entropy", "minus_base", "chance", "left_chance", "frozen_blocks_unchanged", "steps",
    "steps_of_source", "classes_seen", "seconds", "images_per_second", "finished", "excluded", "validation_images",
    "minus_base_variance",
)  # fmt: skip
_FROM_ALL = ("minus_base", "minus_base_variance", "excluded")  # depend on all networks


def networks(study: pathlib.Path | Study | str) -> pd.DataFrame:
    """Returns the finished networks of a study, one row per network.

    Args:
        study: A study's folder, what `study.read` made of it, or "paper" for the published logs of the paper's authors.

    Returns:
        A frame with the columns `COLUMNS`, sorted by treatment, n, split, target and seed:

        - `treatment`: its role, written for target B whatever the target is: AnB, BnB, AnB+, BnB+, RnB, SnB, base,
          base-plusA. `label` is its literal name (`B4A` has role AnB and target A), `n` the copied blocks (0 for
          bases). `status` is `done` or `diverged`.
        - `policy`: its decisions, block by block, such as `k4t3n1`, where the paper has no name for them; else empty.
          Then `treatment` is the family of those that differ in their first run alone (`A:ktn:B`) and `n` the blocks of
          that run if they are copied, else 0. Where two policies of one family have the same n, the treatment of each
          is its own policy. What copies from pretrained weights ends with their digits, `AnB-w1a2b3c4d`.
        - `split` (random0), `halves` its kind without number: random, natural_manmade, file-..., all; `whole` or
          `from-NAME` where A and B are no halves of one data set. `target`, `seed`, `images_per_class` (0: all),
          `preserve`, `release_step`.
        - `recipe`: 8 digits of the hash of recipe, protocol, data and architecture: networks with different ones cannot
          be compared.
        - `protocol`: version of the training procedure, missing for the paper. `classes`: number in the target.
        - `top1`, `top5`, `per_class_top1`, `chance`: fractions, 0 to 1. `cross_entropy` in nats. `top5` is missing
          where there are at most five classes, as all predictions would be among the first five.
        - `minus_base`: `top1` minus that of the base with the same target, split, seed, images per class and recipe,
          computed from these records, whenever the base was trained; 0 for bases, NaN where there is no such base.
        - `validation_images`: the number it was scored on. `minus_base_variance`: the variance of `minus_base` over
          choices of these images, at most: the sum of the two networks' variances, as if they erred on different
          images.
        - `left_chance`, `frozen_blocks_unchanged`: proofs, missing where nothing was recorded.
        - `steps`, `steps_of_source`: of training. `classes_seen`: classes of its target that its source was
          trained on.
        - `seconds`, `images_per_second`, `finished` (UTC, missing for the paper).
        - `excluded`: why it counts in no mean (`duplicate`, `diverged`, `not frozen`), else empty.

    Raises:
        ValueError: If the folder does not exist or holds no study.
    """
    if isinstance(study, str) and study == paper.NAME:
        rows = paper.rows()
    else:
        found = study if isinstance(study, Study) else read(pathlib.Path(study))
        rows = [row(record) for record in found.records]
    return frame(rows)


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Returns rows as a frame, with the columns that depend on all of them: duplicates and differences from bases."""
    table = pd.DataFrame(list(rows), columns=[c for c in COLUMNS if c not in _FROM_ALL])
    table["policy"] = [policy if isinstance(policy, str) else "" for policy in table["policy"]]
    table["treatment"] = _families(table)
    table["finished"] = pd.to_datetime(table["finished"], utc=True, errors="coerce")
    table["excluded"] = _excluded(table)
    table["minus_base"] = _minus_base(table)
    top1, images = table["top1"].astype(float), table["validation_images"].astype(float)
    table["minus_base_variance"] = variance(top1, images) + variance(top1 - table["minus_base"], images)
    table = table.astype({name: kind for name, kind in TYPES.items() if name in table})[list(COLUMNS)]
    return table.sort_values(
        ["treatment", "n", "split", "target", "seed", "images_per_class", "preserve", "release_step", "name"],
        ignore_index=True,
    )


def row(record: Record) -> dict[str, Any]:
    """Returns a record's values by column of the frame."""
    content, identity, recipe = record.content, record.identity, record.identity["recipe"]
    treatment = Treatment(**identity["treatment"])
    result, integrity, cost = record.result, content["integrity"], content["cost"]
    scores = {name: result.get(name) for name in ("top1", "per_class_top1", "cross_entropy", "chance")}
    return scores | {
        "top5": record_files.top5(record.content),
        "name": record.name,
        "key": record.key,
        "status": record.status,
        "treatment": treatments.role(treatment),
        "label": treatment.label,
        "policy": treatment.policy,
        "n": treatment.n,
        "target": treatment.target,
        "split": identity["split"],
        "halves": "all" if treatment.target == "all" else splits.kind_of(identity["split"]),
        "seed": identity["seed"],
        "images_per_class": identity["images_per_class"],
        "preserve": treatment.preserve,
        "release_step": treatment.release_step,
        "recipe": recipe_digest(identity),
        "protocol": identity["protocol"],
        "classes": identity["data"].get("class_count"),
        "dataset": recipe["dataset"],
        "model": recipe["model"],
        "left_chance": integrity.get("left_chance"),
        "frozen_blocks_unchanged": integrity.get("frozen_blocks_unchanged"),
        "validation_images": cost.get("validation_images"),
        "steps": integrity.get("steps"),
        "steps_of_source": integrity.get("steps_of_source"),
        "classes_seen": integrity.get("target_classes_seen_by_source"),
        "seconds": cost.get("seconds"),
        "images_per_second": cost.get("images_per_second"),
        "finished": content.get("finished"),
    }


def _families(table: pd.DataFrame) -> pd.Series:
    """Returns each network's treatment; where policies of one family and n differ, each is a family of its own.

    Nothing that is averaged by treatment and n is then ever a mean over unlike networks.
    """
    families, policies = table["treatment"], table["policy"]
    several = table.groupby(["recipe", "treatment", "n"], dropna=False)["policy"].transform("nunique").gt(1)
    literal = [
        re.sub(r"^([A-Z]):[^:]*", rf"\1:{policy}", family) for family, policy in zip(families, policies, strict=True)
    ]
    return families.mask(several & policies.ne(""), pd.Series(literal, index=table.index, dtype="object"))


def recipe_digest(identity: Mapping[str, Any]) -> str:
    """Returns 8 digits that are equal for comparable networks: same recipe, protocol, data and architecture."""
    return identities.digest(identity)


def _excluded(table: pd.DataFrame) -> pd.Series:
    """Returns the reason for excluding each network from means, "" if it counts; of duplicates, the first counts."""
    reasons = pd.Series("", index=table.index, dtype="str")
    reasons[table["frozen_blocks_unchanged"].eq(False)] = record_warnings.NOT_FROZEN
    reasons[table["status"].ne(record_files.DONE)] = record_warnings.DIVERGED
    fine = table[reasons.eq("")]
    reasons[fine.index[fine.duplicated(list(CELL))]] = DUPLICATE
    return reasons


def _minus_base(table: pd.DataFrame) -> pd.Series:
    """Returns each network's top-1 minus that of its own base."""
    fine = table[table["excluded"].eq("")]
    bases = fine[fine["treatment"].eq(BASE)].set_index(list(PAIRED_BY))["top1"].astype(float)
    own = pd.MultiIndex.from_frame(table[list(PAIRED_BY)])
    difference = table["top1"].astype(float) - bases.reindex(own).to_numpy()
    return difference.where(table["excluded"].ne(record_warnings.DIVERGED))
