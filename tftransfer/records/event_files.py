"""Records as TensorBoard shows them: scalars of each network, and an HParams table that compares treatments.

Everything in them comes from the record; they are written without TensorFlow.
"""

import contextlib
import itertools
import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2, summary_v2
from tensorboard.plugins.hparams import summary as hparams_summary
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.summary.writer import record_writer

from tftransfer.experiment import treatments
from tftransfer.records import filter_grid, record_files
from tftransfer.system import escaping

# Column of a history -> tag in TensorBoard.
SCALARS = {
    "loss": "train/loss",
    "top1": "train/top1",
    "learning_rate": "train/learning_rate",
    "val_top1": "validation/top1",
    "val_top5": "validation/top5",
    "val_cross_entropy": "validation/cross_entropy",
}
# Columns that the HParams view compares, from left to right: tag -> name shown.
METRICS = {
    "final/top1": "top-1",
    "final/minus_base": "minus base",  # longer names do not fit TensorBoard's columns
    "final/top5": "top-5",
    "final/cross_entropy": "cross-entropy",
    "final/seconds": "seconds",
}
# TensorBoard lists columns that differ first, then by name, and shows five unless told otherwise: these.
SHOWN_FIRST = ("n", "seed", "split", "target", "treatment")
# Columns in which networks of a study differ, then those in which recipes differ.
TREATMENT_COLUMNS = (
    "treatment",
    "n",
    "target",
    "frozen",
    "preserve",
    "release_step",
    "images_per_class",
    "split",
    "seed",
    "dataset",
    "model",
)
NUMBERS = ("n", "preserve", "release_step", "images_per_class", "seed")
# TensorBoard offers a filter only where it knows the values: boxes to tick for fewer than ten of them, which hide rows
# of any other value, and a regular expression from ten on, which does not.
DOMAINS = {
    "treatment": hparams_api.Discrete(["base", "base-plusA", "base-plusB", *list(treatments.TREATMENTS)[1:]]),
    "target": hparams_api.Discrete(list(treatments.TARGETS)),
    "frozen": hparams_api.Discrete([True, False]),
    "split": hparams_api.Discrete(["natural_manmade", *(f"random{seed}" for seed in range(10))]),
}
RECIPE_COLUMNS = (
    "image_size", "width", "initializer", "dropout", "epochs", "least_steps", "steps", "batch_size", "optimizer",
    "learning_rate", "lr_multipliers", "layerwise_lr_decay", "copied_lr_multiplier",
    "schedule", "warmup_steps", "drop_steps", "drop_epochs",
    "drop_factor", "momentum", "weight_decay", "bias_lr_multiplier",
    "bias_decay_multiplier", "label_smoothing", "augment", "pixel_scale", "precision",
)  # fmt: skip


# Ends the name of the file with a study's figure, so that a new one takes its place.
_FIGURE_SUFFIX = ".figure"
_FILTER_ZOOM = 4
_NUMBERS = itertools.count()  # tells files of one process apart


class EventFile:
    """A file of TensorBoard events.

    TensorBoard's own writer has a thread, and writes through TensorFlow where that is installed: a full disk would then
    be reported late, by a traceback of that thread, as an exhausted resource.

    Args:
        folder: Its folder; made if it does not exist.
        suffix: Last part of the file's name.
    """

    def __init__(self, folder: pathlib.Path, suffix: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{os.getpid()}.{next(_NUMBERS)}{suffix}"
        self._writer = record_writer.RecordWriter((folder / name).open("wb"))
        try:
            self._write(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2"))
        except OSError:
            with contextlib.suppress(OSError):
                self.close()
            raise

    def scalars(self, step: int, values: Mapping[str, float | None], wall_time: float) -> None:
        """Writes the values that are not None, by tag."""
        present = [summary_pb2.Summary.Value(tag=tag, simple_value=v) for tag, v in values.items() if v is not None]
        self._add(summary_pb2.Summary(value=present), step, wall_time)

    def summary(self, summary: summary_pb2.Summary, wall_time: float) -> None:
        """Writes a summary of a plugin."""
        # A copy through bytes: the plugin may have been built against TensorFlow's own class of this message.
        self._add(summary_pb2.Summary.FromString(summary.SerializeToString()), 0, wall_time)

    def image(self, tag: str, png: bytes, wall_time: float, description: str = "") -> None:
        """Writes a picture.

        Args:
            tag: Its name in the view.
            png: The picture as PNG.
            wall_time: Time of its making, seconds since 1970.
            description: Text beside it.
        """
        # A PNG file starts with 16 bytes of frame, then width and height, 4 bytes each.
        width, height = (str(int.from_bytes(png[start : start + 4])).encode() for start in (16, 20))
        strings = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[width, height, png])
        strings.tensor_shape.dim.add(size=3)
        metadata = image_metadata.create_summary_metadata(tag, description)
        value = summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=strings)
        self.summary(summary_pb2.Summary(value=[value]), wall_time)

    def _add(self, summary: summary_pb2.Summary, step: int, wall_time: float) -> None:
        self._write(event_pb2.Event(summary=summary, step=step, wall_time=wall_time))

    def _write(self, event: event_pb2.Event) -> None:
        self._writer.write(event.SerializeToString())
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()


def clear(folder: pathlib.Path) -> None:
    """Removes the event files of an earlier attempt, which TensorBoard would show beside the new ones."""
    for path in folder.glob("events.out.tfevents.*"):
        path.unlink()


def row(history_row: Mapping[str, float | None], classes: int) -> dict[str, float | None]:
    """Returns a row of a history by TensorBoard tag; without a top-5 if there are five classes or fewer."""
    values = {tag: history_row.get(column) for column, tag in SCALARS.items()}
    return values | ({SCALARS["val_top5"]: None} if classes <= 5 else {})


def columns(identity: Mapping[str, Any]) -> dict[str, str | float | bool]:
    """Returns a network's values in the columns of the HParams table."""
    recipe, treatment = identity["recipe"], treatments.Treatment(**identity["treatment"])
    first = {
        "treatment": treatment.family,
        "n": treatment.n,
        "target": treatment.target,
        "frozen": treatment.frozen,
        "preserve": treatment.preserve,
        "release_step": treatment.release_step,
        "images_per_class": identity["images_per_class"],
        "split": identity["split"],
        "seed": identity["seed"],
        "dataset": recipe["dataset"],
        "model": recipe["model"],
    }
    # A recipe has `least_steps` only with the default length, and a factor on copied blocks only where it is not 1.
    unsaid = {"least_steps": 0, "copied_lr_multiplier": 1.0}
    values = first | {column: (unsaid | recipe)[column] for column in RECIPE_COLUMNS}
    return {name: escaping.tensorboard(value) if isinstance(value, str) else value for name, value in values.items()}


def write_result(file: EventFile, study: str, content: Mapping[str, Any], wall_time: float) -> None:
    """Writes a finished network's row of the HParams table.

    Args:
        file: Event file of the network.
        study: Name of its study, which keeps networks of one name in several studies apart.
        content: Content of its record.
        wall_time: Time of its end, seconds since 1970.
    """
    steps = content["cost"]["train_steps"]
    result = content["result"] | {"seconds": content["cost"]["seconds"]}
    result["top5"] = record_files.top5(content)
    label = treatments.Treatment(**content["identity"]["treatment"]).label
    # The label first: TensorBoard shows the beginning only.
    trial = escaping.tensorboard(f"{label}: {content['name']} in {study}")
    file.summary(
        summary_v2.hparams_pb(columns(content["identity"]), trial_id=trial, start_time_secs=wall_time), wall_time
    )
    file.scalars(steps, {tag: result.get(tag.removeprefix("final/")) for tag in METRICS}, wall_time)
    status = api_pb2.STATUS_SUCCESS if content["status"] == "done" else api_pb2.STATUS_FAILURE
    file.summary(hparams_summary.session_end_pb(status, wall_time), wall_time)


def write_experiment(study: pathlib.Path, wall_time: float) -> None:
    """Declares the columns of a study's HParams table, unless they are declared."""
    if any(not path.name.endswith(_FIGURE_SUFFIX) for path in study.glob("events.out.tfevents.*")):
        return
    summary = summary_v2.hparams_config_pb(
        hparams=[hparams_api.HParam(name, DOMAINS.get(name)) for name in (*TREATMENT_COLUMNS, *RECIPE_COLUMNS)],
        metrics=[hparams_api.Metric(tag, display_name=name) for tag, name in METRICS.items()],
        time_created_secs=wall_time,
    )
    plugin_data = summary.value[0].metadata.plugin_data
    declared = plugin_data_pb2.HParamsPluginData.FromString(plugin_data.content)
    for info in declared.experiment.hparam_infos:
        info.differs = info.name in SHOWN_FIRST
        if info.name in NUMBERS:
            info.type = api_pb2.DATA_TYPE_FLOAT64  # without an interval: a filter from minus to plus infinity
    plugin_data.content = declared.SerializeToString()
    file = EventFile(study)
    file.summary(summary, wall_time)
    file.close()


def write_filters(file: EventFile, filters: np.ndarray, wall_time: float) -> None:
    """Writes a network's first-layer filters as a picture.

    Args:
        file: Event file of the network.
        filters: `(filters, height, width, channels)` uint8, as in its diagnostics.
        wall_time: Time of its end, seconds since 1970.
    """
    picture = filter_grid.png(filter_grid.filter_grid(filters), zoom=_FILTER_ZOOM)
    file.image("filters/first_layer", picture, wall_time, "Grey is a weight of zero.")


def write_figure(study: pathlib.Path, png: bytes, wall_time: float, tag: str = "study/top1_by_treatment") -> None:
    """Writes a study's figure as a picture at its root, in place of an earlier one.

    Args:
        study: Folder of the study, in which `write_experiment` has been called.
        png: The figure as PNG.
        wall_time: Time of its making, seconds since 1970.
        tag: Its name in the view.
    """
    earlier = list(study.glob(f"events.out.tfevents.*{_FIGURE_SUFFIX}"))
    file = EventFile(study, _FIGURE_SUFFIX)
    file.image(tag, png, wall_time)
    file.close()
    for path in earlier:
        path.unlink()
