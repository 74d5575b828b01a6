"""A Ray cluster as the sweep needs it: its free room, its objects, and tasks that report their progress.

Ray itself is imported when a cluster is joined; TensorFlow never.
"""

import contextlib
import dataclasses
import importlib.util
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tftransfer.scheduling.ray.payloads import Payload

_CONNECT_SECONDS = 5.0
_JOIN_SECONDS = 25.0
_LOOK_SECONDS = 3.0
# Read by Ray when it is imported. Its own messages would hide those of the sweep, which says itself what goes wrong.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}
_TRY = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False)"


class LostError(Exception):
    """A task's node or process is gone, and its result with it."""


class NoMemoryError(Exception):
    """A task was ended because its node ran out of memory."""


class TaskError(Exception):
    """A task failed by itself."""


@dataclasses.dataclass(frozen=True)
class Demand:
    """The resources of one task.

    Attributes:
        gpus: 1 if the cluster has GPUs, else 0.
        cpus: Cores: on nodes with GPUs those of a node divided by its GPUs, else all cores of the smallest node.
    """

    gpus: int
    cpus: int

    def fits(self, resources: Mapping[str, float]) -> int:
        """Returns the number of tasks that a node with these resources runs at a time."""
        by_cpu = int(resources.get("CPU", 0) // self.cpus)
        return min(by_cpu, int(resources.get("GPU", 0))) if self.gpus else by_cpu


def demand(nodes: Sequence[Mapping[str, float]]) -> Demand:
    """Returns the resources of one task on a cluster.

    Args:
        nodes: The resources of each node by Ray's names.

    Raises:
        ValueError: If no node has a whole core.
    """
    able = [node for node in nodes if node.get("CPU", 0) >= 1]
    if not able:
        raise ValueError(f"No node of the Ray cluster has a core for tasks. Received: {len(nodes)} nodes.")
    with_gpus = [node for node in able if node.get("GPU", 0) >= 1]
    if with_gpus:
        return Demand(1, max(1, min(int(node["CPU"] // node["GPU"]) for node in with_gpus)))
    return Demand(0, min(int(node["CPU"]) for node in able))


class Cluster:
    """A cluster that this process has joined.

    Args:
        ray: The module, initialised.

    Attributes:
        demand: The resources of each task.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._slots: dict[str, int] = {}
        self._looked = 0.0
        self.demand = demand([node["Resources"] for node in self._nodes()])
        self._task = ray.remote(_task())

    def slots(self, ignore: Collection[str] = ()) -> int:
        """Returns the number of tasks that the living nodes run at a time, leaving out the nodes in `ignore`."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._slots = {node["NodeID"]: self.demand.fits(node["Resources"]) for node in self._nodes()}
            self._looked = time.monotonic()
        return sum(count for node, count in self._slots.items() if node not in ignore)

    def put(self, payload: Payload) -> Any:
        """Returns a reference to a payload, which tasks take as an argument."""
        return self._ray.put(payload)

    def start(self, request: Mapping[str, Any], known: Mapping[str, Any], ignore: Collection[str]) -> Any:
        """Starts a task as soon as there is room.

        Args:
            request: The request of `node.train`.
            known: References to payloads by network. Ray brings them to the node before the task starts.
            ignore: Nodes that must not take it.

        Returns:
            A stream for `read`.
        """
        where = {"label_selector": {"ray.io/node-id": f"!in({','.join(sorted(ignore))})"}} if ignore else {}
        task = self._task.options(
            num_cpus=self.demand.cpus, num_gpus=self.demand.gpus, max_retries=0, num_returns="streaming", **where
        )
        return task.remote(request, list(known), *known.values())

    def read(self, stream: Any) -> tuple[Any, Any] | None:
        """Returns the next item of a task and its reference, or None if there is none yet.

        Raises:
            LostError: If it cannot go on, through no fault of its own.
            NoMemoryError: If its node had no memory left.
            TaskError: If it raised.
        """
        errors = self._ray.exceptions
        try:
            ready, _ = self._ray.wait([stream], timeout=0, fetch_local=False)
            if not ready:
                return None
            reference = next(stream)
            return self._ray.get(reference), reference
        except StopIteration:
            raise LostError("it ended without a result") from None
        except errors.OutOfMemoryError as error:
            raise NoMemoryError(_first_line(error)) from error
        except errors.TaskCancelledError as error:
            raise LostError("it was cancelled") from error
        except errors.RayTaskError as error:
            if isinstance(error.cause, errors.RayError):  # a base could not be brought to the node
                raise LostError(_first_line(error.cause)) from error
            raise TaskError(_first_line(error.cause or error)) from error
        except errors.RayError as error:
            reason = "its node died" if isinstance(error, errors.NodeDiedError) else _first_line(error)
            raise LostError(reason) from error

    def cancel(self, stream: Any, force: bool = False) -> None:
        """Asks a task to end, or with `force` kills its process."""
        self._ray.cancel(stream, force=force)

    def _nodes(self) -> list[Mapping[str, Any]]:
        """Returns the living nodes, as `ray.nodes` describes them."""
        return [node for node in self._ray.nodes() if node["Alive"]]


def _task() -> Any:
    """Returns the function of a task; as it is nested, Ray sends its code even to nodes without this package."""

    def train(request: Mapping[str, Any], names: Sequence[str], *payloads: Payload) -> Iterator[Any]:
        import ray

        yield {"node": ray.get_runtime_context().get_node_id()}
        try:
            from tftransfer.scheduling.ray import node
        except ImportError as error:
            import socket

            yield {"where": socket.gethostname()}
            yield {"unusable": f"{error}. Install there what is installed here: pip install 'tftransfer[ray]'"}
            return
        yield from node.train(request, dict(zip(names, payloads, strict=True)))

    return train


@contextlib.contextmanager
def joined(address: str) -> Iterator[Cluster]:
    """Joins a cluster, and leaves it at the end.

    Args:
        address: HOST:PORT; empty for one that runs on this machine.

    Raises:
        ValueError: If Ray is not installed, or no cluster answers.
    """
    if importlib.util.find_spec("ray") is None:
        raise ValueError("--runner=ray needs Ray, which is not installed: pip install 'tftransfer[ray]'")
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _require_answer(address)
    import ray

    on_sigterm = signal.getsignal(signal.SIGTERM)
    ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.CRITICAL)
    signal.signal(signal.SIGTERM, on_sigterm)  # Ray would print a stack trace and exit with a code of its own
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Raises ValueError unless a cluster answers; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if address and (not host or not port.isdecimal() or "/" in host):
        raise ValueError(f"Bad --ray_address. Expected HOST:PORT, as in 10.0.0.1:6379. Received: {address!r}")
    try:
        if address:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
        command = [sys.executable, "-c", _TRY, address or "auto"]
        process = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_JOIN_SECONDS
        )
        output = process.stderr.strip().splitlines() if process.returncode else []
        why = output[-1].rpartition("Error: ")[2] if output else f"exit code {process.returncode}"
        if process.returncode == 0:
            return
    except subprocess.TimeoutExpired:
        why = (
            f"something listens there, but no Ray cluster answered in {_JOIN_SECONDS:.0f} seconds; if it asks for a "
            f"token, set RAY_AUTH_MODE=token here, too (docs/ray.md)"
        )
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
    which = f"Cannot join the Ray cluster at {address}" if address else "Cannot join a Ray cluster on this machine"
    raise ValueError(
        f"{which}: {why}. This machine must be a node of it: `ray start --head` starts one, "
        f"`ray start --address=HOST:PORT` on other machines joins it. Received: --ray_address={address}"
    )


def _first_line(error: BaseException) -> str:
    """Returns an error's name and the first line of its message."""
    text = str(error).strip().partition("\n")[0][:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
