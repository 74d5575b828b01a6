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
    return found


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
