"""What decides the last bits of a training besides its recipe: processor, code, number of threads."""

from typing import Any

import tensorflow as tf

from tftransfer.system import environment

_PACKAGES = ("tftransfer", "tensorflow", "keras", "numpy")


def of(strategy: str) -> dict[str, Any]:
    """Returns what rounds in another order, or differently, where it is not the same.

    Sums are divided over threads and replicas; processors differ in their instructions, and libraries choose their code
    by them, by their version and by variables of the environment.

    Args:
        strategy: On what it runs, as from `strategies.describe`.

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
