"""What a user must know before trusting the score of a record. Nothing here imports TensorFlow."""

from tftransfer import records
from tftransfer.records import Record


def faults(record: Record) -> list[str]:
    """Returns what makes a record's score doubtful, one sentence each."""
    integrity, found = record.content["integrity"], []
    if record.status == records.DIVERGED:
        found.append(f"{record.name} diverged at step {integrity['diverged_at_step']}: its loss is no longer finite")
    elif not integrity["left_chance"]:
        found.append(f"{record.name} did not leave chance: top-1 {100 * record.result['top1']:.1f} %")
    if not integrity["frozen_blocks_unchanged"]:
        found.append(f"{record.name}: frozen blocks changed while it trained")
    if record.status != records.DIVERGED and not integrity.get("frozen_statistics_as_wanted", True):
        found.append(f"{record.name}: moving statistics of frozen blocks are not as --batch_norm says")
    if record.status != records.DIVERGED and not integrity["fine_tuned_blocks_moved"]:
        found.append(f"{record.name}: fine-tuned blocks did not move")
    doubt = _leakage(record)
    return [*found, doubt] if doubt else found


def _leakage(record: Record) -> str | None:
    """Returns a sentence if a source that was not trained here may know what a network is scored on."""
    integrity = record.content["integrity"]
    source = integrity.get("foreign_source")
    if source is None:
        return None
    seen = integrity["target_classes_seen_by_source"]
    if seen is None:
        return (
            f"{record.name}: which classes {source['file']} was trained on is not known, so it may have seen those of "
            f"its target"
        )
    treatment = record.content["treatment"]
    if seen and treatment["source"] != treatment["target"]:
        return f"{record.name}: {source['file']} was trained on {seen} classes of its target"
    return None


def stale(record: Record, reference: Record) -> str | None:
    """Returns a sentence if a network's `minus_base` is to another training of its base than `reference`."""
    then = record.content.get("reference")
    if then is None or then["weights"] == reference.weights_digest:
        return None
    return (
        f"{record.name} was compared with another training of {reference.name}, whose weights were not the same; "
        f"--force trains it again"
    )


def sound(record: Record) -> bool:
    """Returns True if a network ended as it should: finite, its frozen blocks as they were."""
    return record.status == records.DONE and record.content["integrity"]["frozen_blocks_unchanged"]
