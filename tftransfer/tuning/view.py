"""TensorBoard's HParams view of a search: one row per trial, with its recipe and score."""

import pathlib

from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.hparams import api_pb2, summary_v2
from tensorboard.plugins.hparams import summary as hparams_summary

from tftransfer.records import event_files
from tftransfer.tuning import space
from tftransfer.tuning.study import OK, Trial

METRICS = {"tune/top1": "held-out top-1", "tune/seconds": "seconds"}
COLUMNS = tuple(reversed(space.TUNED))


def write_study(root: pathlib.Path, wall_time: float) -> None:
    """Declares the columns of a study, unless that was done before."""
    if any(root.glob("events.out.tfevents.*")):
        return
    file = event_files.EventFile(root)
    file.summary(
        summary_v2.hparams_config_pb(
            hparams=[hparams_api.HParam(column) for column in COLUMNS],
            metrics=[hparams_api.Metric(tag, display_name=name) for tag, name in METRICS.items()],
            time_created_secs=wall_time,
        ),
        wall_time,
    )
    file.close()


def write_trial(folder: pathlib.Path, trial: Trial, wall_time: float) -> None:
    """Writes the row of a trial that ended at `wall_time`, seconds since 1970, in place of one that was there."""
    event_files.clear(folder)
    file = event_files.EventFile(folder)
    recipe = {column: trial.recipe[column] for column in COLUMNS}
    started = wall_time - trial.seconds
    file.summary(summary_v2.hparams_pb(recipe, trial_id=f"trial{trial.number:03d}", start_time_secs=started), wall_time)
    file.scalars(0, {"tune/top1": trial.top1, "tune/seconds": trial.seconds}, wall_time)
    status = api_pb2.STATUS_SUCCESS if trial.status == OK else api_pb2.STATUS_FAILURE
    file.summary(hparams_summary.session_end_pb(status, wall_time), wall_time)
    file.close()
