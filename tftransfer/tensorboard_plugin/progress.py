"""Progress of networks without a record, from what TensorBoard has read of their event files."""

import math
import pathlib
from typing import Any

from tensorboard.data import provider

from tftransfer.system import escaping
from tftransfer.tensorboard_plugin.folders import EVENTS, Study

# Two tags of tensorboard_view.SCALARS, which would load TensorFlow.
LOSS, TOP1 = "train/loss", "validation/top1"


def of(study: Study, data: provider.DataProvider | None, context: Any, experiment: str) -> list[dict[str, Any]]:
    """Returns a study's unfinished networks, by name.

    Args:
        study: The study.
        data: TensorBoard's data provider; None if it offers none to plugins.
        context: Of the request.
        experiment: Of the request.

    Returns:
        For each network `name`, `step` (steps so far) and `top1` (a fraction; both None if TensorBoard has read
        nothing yet), and `written`, the time of its last line (seconds since 1970).
    """
    last = _last(study, data, context, experiment) if study.unfinished and data else {}
    rows = []
    for path in study.unfinished:
        scalars = last.get(_run(study, path), {})
        newest, top1 = max(scalars.values(), key=lambda datum: datum.step, default=None), scalars.get(TOP1)
        rows.append(
            {
                "name": escaping.tensorboard(path.name),
                "step": newest.step if newest else None,
                "top1": float(top1.value) if top1 and math.isfinite(top1.value) else None,
                "written": _written(path),
            }
        )
    return rows


def _last(study: Study, data: provider.DataProvider, context: Any, experiment: str) -> dict[str, dict[str, Any]]:
    """Returns the last values of loss and top-1 by run and tag."""
    runs = [_run(study, path) for path in study.unfinished]
    tags = provider.RunTagFilter(runs=runs, tags=[LOSS, TOP1])
    return data.read_last_scalars(context, experiment_id=experiment, plugin_name="scalars", run_tag_filter=tags)


def _run(study: Study, path: pathlib.Path) -> str:
    """Returns TensorBoard's name of a network."""
    return f"{study.run}/{path.name}" if study.run else path.name


def _written(path: pathlib.Path) -> float | None:
    """Returns the time at which a network's events last grew; None if they are gone."""
    try:
        return max(file.stat().st_mtime for file in path.glob(f"{EVENTS}*"))
    except (OSError, ValueError):
        return None
