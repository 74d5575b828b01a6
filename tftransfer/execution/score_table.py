"""The table that `run` ends with: scores, chance beside them, and what to do next."""

import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tftransfer.experiment import policies, treatments
from tftransfer.experiment.splits import Split
from tftransfer.records import record_files
from tftransfer.records.record_files import Record
from tftransfer.system import escaping


class Network(Protocol):
    """A network that `run` asked for.

    Attributes:
        record: What is known of it.
        trained_here: Whether this call trained it.
    """

    record: Record
    trained_here: bool


def text(split: Split, study: pathlib.Path, dataset: str, networks: Sequence[Network], seconds: float) -> str:
    """Returns the table.

    Args:
        split: The halves.
        study: The study's folder.
        dataset: Name of the data set.
        networks: At least one, in the order of the rows; the one that was asked for is last.
        seconds: Of the whole call.
    """
    sizes = ", ".join(f"{letter} {len(split.classes(letter)) or 'unknown'}" for letter in treatments.HALVES)
    rows = ["", f"data set   {escaping.terminal(dataset)}", f"split      {split.name} (classes: {sizes})", ""]
    records = [network.record for network in networks]
    with_top5 = any(record_files.top5(record.content) is not None for record in records)
    width = max(18, 2 + max(len(_label(record)) for record in records))
    head = f"{'top-1':>8}{'top-5' if with_top5 else '':>9}{'minus base':>15}{'cross-entropy':>16}"
    rows.append(f"{'network':<{width}}{head}")
    rows += [_scores(record, width) for record in records]
    by_half = {str(record.identity["treatment"]["target"]): record.content for record in reversed(records)}
    rows += [_chance(half, content, width) for half, content in sorted(by_half.items())]
    rows += _policies(records)
    return "\n".join([*rows, "", _seconds(networks, seconds), *_next(study, records)])


def _label(record: Record) -> str:
    return escaping.terminal(record.content["treatment"]["label"])


def _policies(records: Sequence[Record]) -> list[str]:
    """Returns rows that say in words what networks with a policy are."""
    of = {_label(record): str(record.identity["treatment"].get("policy", "")) for record in records}
    rows = [f"{label}: {policies.in_words(policy)}" for label, policy in of.items() if policy]
    return ["", *rows] if rows else []


def _scores(record: Record, width: int) -> str:
    """Returns the row of one network."""
    result, label = record.result, _label(record)
    if record.status != record_files.DONE:
        return f"{label:<{width}}{record.status}"
    is_reference = label in {treatments.base(target).label for target in treatments.TARGETS}
    points = "" if is_reference else _points(result["minus_base"], record.content.get("reference"))
    top5 = _percent(record_files.top5(record.content))
    return f"{label:<{width}}{_percent(result['top1']):>8}{top5:>9}{points:>15}{result['cross_entropy']:>16.3f}"


def _chance(half: str, content: Mapping[str, Any], width: int) -> str:
    """Returns the row of the score of always naming the most frequent class of a half, and of its images."""
    few, many = content["integrity"].get("class_images", {}).get("validation", (None, None))
    images = f"of {content['cost']['validation_images']:,} validation images"
    if few != many:
        images += f", {few:,} to {many:,} a class: the share of the largest class"
    elif few is not None:
        images += f", {few:,} a class"
    return f"{f'chance, {half}':<{width}}{_percent(content['result'].get('chance')):>8}   {images}"


def _seconds(networks: Sequence[Network], seconds: float) -> str:
    """Returns the row of the seconds of the call, and of the networks that it trained or reused."""
    spent = [
        f"{n.record.content['treatment']['label']} {n.record.content['cost']['seconds']:.0f}"
        for n in networks
        if n.trained_here
    ]
    reused = [n.record.content["treatment"]["label"] for n in networks if not n.trained_here]
    parts = [f"training {', '.join(spent)}"] if spent else []
    parts += [f"reused {', '.join(reused)}"] if reused else []
    return f"seconds    {seconds:.0f} ({'; '.join(parts)})"


def _next(study: pathlib.Path, records: Sequence[Record]) -> list[str]:
    """Returns the rows on the records' place, and on how to compare and to use the networks."""
    rows = [f"records    {study}", f"compare    tensorboard --logdir {shlex.quote(str(study))}"]
    kept = [record for record in records if record.status == record_files.DONE and record.weights_file]
    # The last is the one that was asked for; its weights are kept if it is a base or the user said so.
    rows += [f"predict    model = tftransfer.load({str(record.folder)!r})" for record in kept[-1:]]
    # Those that a sweep kept as its best give way to better ones, as they have to.
    lasting = [
        one for one in records[-1:] if one.content["weights"]["kept"] and "kept_as" not in one.content["weights"]
    ]
    gone = [record for record in lasting if record.status == record_files.DONE and not record.weights_file]
    return [*rows, *(f"weights    those of {record.name} are gone; --force trains it again" for record in gone)]


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f} %"


def _points(fraction: float | None, base: Any) -> str:
    if fraction is None:
        return "unknown" if base else "no base"
    return f"{100 * fraction:+.1f} points"
