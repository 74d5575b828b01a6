"""Training speeds measured on this machine, from which the hours of a sweep are estimated.

<cache folder>/speeds.json holds one entry for each machine and setting, the newest. It is a convenience: a file that is
damaged, or of another format, counts as empty and is written anew.
"""

import contextlib
import dataclasses
import datetime
import glob
import hashlib
import json
import logging
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import filelock

from tftransfer.experiment import prepared_images
from tftransfer.experiment.config import Config
from tftransfer.records import record_files
from tftransfer.system import atomic, environment, untrusted_files

FILE = "speeds.json"
BASE, FROZEN, LOCKSTEP = "base", "frozen", "lockstep"
KINDS = {
    BASE: "one network whose every block trains: a base, or one that is fine-tuned",
    FROZEN: "one network with frozen blocks",
    LOCKSTEP: "several networks with frozen blocks in one group",
}
_FORMAT = 1
_LOCK_SECONDS = 10.0
_MOST_SECONDS = 1e9  # of a step; larger figures are damage


@dataclasses.dataclass(frozen=True)
class Speeds:
    """Measured speeds of one machine and setting by kind (`KINDS`); kinds that were not measured are missing.

    Attributes:
        seconds_per_step: Median of a training step; for lockstep divided by the group's networks.
        start_seconds: From the start of a process to its first steady step: imports, building, compilation.
        networks: Networks that trained together, 1 but for lockstep.
        measured: When, ISO 8601 in UTC.
    """

    seconds_per_step: Mapping[str, float]
    start_seconds: Mapping[str, float]
    networks: Mapping[str, int]
    measured: Mapping[str, str]


def kind_of(frozen_blocks: Sequence[int]) -> str | None:
    """Returns the kind of a group of networks, from the number of frozen blocks of each.

    Returns:
        A name of `KINDS`, or None for several networks of which not all have frozen blocks: the costs of
        their towers differ so much that the mean says nothing of another group.

    Example:
        >>> kind_of([0]), kind_of([4]), kind_of([1, 2, 3]), kind_of([0, 4])
        ('base', 'frozen', 'lockstep', None)
    """
    if len(frozen_blocks) == 1:
        return FROZEN if frozen_blocks[0] else BASE
    return LOCKSTEP if frozen_blocks and all(frozen_blocks) else None


def remember(
    config: Config,
    kind: str | None,
    seconds_per_step: float,
    networks: int = 1,
    start_seconds: float | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Writes a measured speed, in place of an older one of the same kind, machine and setting.

    Nothing is written for a training without a step, or for a kind of None. A cache folder that cannot be written
    causes a warning, not an error: the measured training goes on.

    Args:
        config: The options that it was measured with.
        kind: One of `KINDS`, as from `kind_of`.
        seconds_per_step: Median of a step of the whole group.
        networks: Networks in the group.
        start_seconds: From the start of the process to the first steady step.
        details: Further measurements, plain data, for readers of the file.
    """
    if kind is None or not (math.isfinite(seconds_per_step) and seconds_per_step > 0):
        return
    if kind not in KINDS or networks < 1:
        raise ValueError(f"Expected one of {', '.join(KINDS)} and at least 1 network. Received: {kind}, {networks}")
    speed = {"seconds_per_step": seconds_per_step / networks, "networks": networks, "measured": _now()}
    if start_seconds is not None:
        speed["start_seconds"] = start_seconds
    path = path_of(config)
    setting = _setting(config)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock", timeout=_LOCK_SECONDS):
            entries = _entries(path)
            entry = entries.setdefault(_key(setting), {"setting": setting, "speeds": {}})
            entry["speeds"][kind] = {**speed, **({"details": dict(details)} if details else {})}
            content = {"format": _FORMAT, "entries": entries}
            atomic.write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    except (OSError, filelock.Timeout) as error:
        logging.getLogger(__name__).warning("The speed measured here cannot be kept in %s (%s).", path, error)


def known(config: Config) -> Speeds | None:
    """Returns the speeds measured here with the same model, sizes, batch and precision, None if there are none."""
    entry = _entries(path_of(config)).get(_key(_setting(config)))
    if entry is None:
        return None
    by_kind = entry["speeds"]
    return Speeds(
        seconds_per_step={kind: speed["seconds_per_step"] for kind, speed in by_kind.items()},
        start_seconds={kind: speed["start_seconds"] for kind, speed in by_kind.items() if "start_seconds" in speed},
        networks={kind: speed["networks"] for kind, speed in by_kind.items()},
        measured={kind: speed["measured"] for kind, speed in by_kind.items()},
    )


def path_of(config: Config) -> pathlib.Path:
    """Returns the path of `speeds.json`."""
    return pathlib.Path(prepared_images.cache_folder(config)).expanduser() / FILE


def check_writable(config: Config) -> None:
    """Raises ValueError if speeds cannot be written; makes the cache folder if need be."""
    record_files.refuse_unwritable(path_of(config).parent, "cache folder", "--cache_dir")


def _setting(config: Config) -> dict[str, Any]:
    """Returns the setting of a speed: the machine, its usable cores and GPUs, and the size of a step."""
    machine = environment.machine()
    available = environment.usable_cores()
    accelerators = 0 if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") else len(glob.glob("/dev/nvidia[0-9]*"))
    own = ("model", "width", "batch_size", "precision", "strategy", "replicas")
    return {
        "machine": machine | {"cores": available, "accelerators": accelerators},
        "image_size": config.input_size,
        **{name: getattr(config, name) for name in own},
    }


def _key(setting: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(setting, sort_keys=True).encode()).hexdigest()[:16]


def _entries(path: pathlib.Path) -> dict[str, Any]:
    """Returns the valid entries of a file, none if it is missing or damaged."""
    content = None
    with contextlib.suppress(OSError, ValueError):
        content = untrusted_files.read_json(path)
    if (
        not isinstance(content, dict)
        or content.get("format") != _FORMAT
        or not isinstance(content.get("entries"), dict)
    ):
        return {}
    return {key: entry for key, entry in content["entries"].items() if _is_whole(entry)}


def _is_whole(entry: Any) -> bool:
    """Whether an entry has all fields and its numbers are in range."""
    try:
        return bool(entry["setting"]) and all(
            kind in KINDS
            and 0 < speed["seconds_per_step"] < _MOST_SECONDS
            and 0 <= speed.get("start_seconds", 0) < _MOST_SECONDS
            and speed["networks"] >= 1
            and isinstance(speed["measured"], str)
            for kind, speed in entry["speeds"].items()
        )
    except (AttributeError, KeyError, TypeError):
        return False


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
