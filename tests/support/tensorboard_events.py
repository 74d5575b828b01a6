"""What TensorBoard would read from a network's folder."""

from tensorboard.backend.event_processing import event_file_loader


def scalars(folder):
    """Returns the scalars that TensorBoard would show: tag, step, value; what depends on the clock left out."""
    (path,) = folder.glob("events*")
    return [
        (value.tag, event.step, value.simple_value)
        for event in event_file_loader.LegacyEventFileLoader(str(path)).Load()
        for value in event.summary.value
        if not value.tag.startswith("_") and value.tag != "final/seconds"
    ]
