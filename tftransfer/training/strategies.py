"""The devices that a process trains on, and the circumstances there that decide how sums are rounded."""

import functools
import re
from typing import Any

import tensorflow as tf

from tftransfer.system import environment

_PACKAGES = ("tftransfer", "tensorflow", "keras", "numpy")


@functools.cache
def make(kind: str, replicas: int = 0) -> tf.distribute.Strategy:
    """Returns the process's strategy.

    Args:
        kind: "one_device", "mirrored", or "auto": mirrored if there are several GPUs.
        replicas: Devices to mirror on; 0 means all. Without GPU that many logical CPUs are made.

    Raises:
        ValueError: If there are not as many devices.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if kind == "one_device" or (kind == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = _logical_devices("GPU", 0) if gpus else _logical_devices("CPU", replicas)
    if replicas > len(devices):
        raise ValueError(f"--replicas={replicas} asks for more devices than there are: {', '.join(devices)}.")
    devices = devices[: replicas or None]
    if len(devices) < 2 and kind == "mirrored":
        raise ValueError(
            f"--strategy=mirrored needs two devices or more. Found: {', '.join(devices)}. Without GPU, --replicas=2 "
            f"makes two logical CPUs; --strategy=one_device trains on one."
        )
    return tf.distribute.MirroredStrategy(devices)


def on_gpu() -> bool:
    """Whether training runs on a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def check_batch(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """Raises ValueError if a batch cannot be divided equally."""
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise ValueError(
            f"The batch must divide by the replicas. Received: --batch_size={batch_size}, {replicas} replicas."
        )


def describe(strategy: tf.distribute.Strategy) -> str:
    """Returns strategy and devices in words: `one_device: CPU`, `mirrored: NVIDIA H200 x 2`."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus] or ["CPU"]
    replicas = strategy.num_replicas_in_sync
    return f"mirrored: {names[0]} x {replicas}" if replicas > 1 else f"one_device: {names[0]}"


def replicas_of(description: str) -> int:
    """Returns the number of replicas in a description from `describe`."""
    match = re.fullmatch(r"mirrored: .* x (\d+)", description)
    return int(match[1]) if match else 1


def rounding(strategy: str) -> dict[str, Any]:
    """Returns the circumstances that decide the last bits of a training besides its recipe.

    Sums are divided over threads and replicas; processors differ in their instructions, and libraries choose their code
    by them, by their version and by variables of the environment.

    Args:
        strategy: Strategy and devices, from `describe`.

    Returns:
        Plain data by name: strategy, threads, processor, instructions, settings, jit, tensor_float_32, versions.
    """
    threads = environment.threads()
    chosen = {  # from Python, before the environment
        "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
    }
    versions = environment.versions_of(_PACKAGES)
    return {
        "strategy": strategy,
        "threads": {kind: chosen[kind] or count for kind, count in threads.items()},
        "processor": environment.machine()["processor"],
        "instructions": environment.instructions(),
        "settings": environment.settings(),
        "jit": str(tf.config.optimizer.get_jit() or ""),
        "tensor_float_32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "versions": versions,
    }


def _logical_devices(kind: str, replicas: int) -> list[str]:
    """Returns the names of logical devices, after making a logical CPU for each replica."""
    if kind == "CPU" and replicas > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        configured = tf.config.get_logical_device_configuration(cpu) or [None]
        if len(configured) < replicas:
            try:
                tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
            except RuntimeError as error:
                raise ValueError(
                    f"TensorFlow has started with {len(configured)} logical CPU(s), too late to make {replicas}."
                ) from error
    return [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices(kind)]
