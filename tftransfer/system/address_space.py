"""The limit on addresses that a shell sets with `ulimit -v`, below which TensorFlow cannot even be loaded."""

import math
import resource

import psutil

# Measured with TensorFlow 2.21: 1.9 GB when it is loaded, 2.3 GB after its first operation, more than 2.7 GB when it
# trains. With less it fails in many ways, some of which end the process without a word.
NEEDED_BYTES = 4_000_000_000


def require() -> None:
    """Raises MemoryError if this process may not use as many addresses as TensorFlow maps, used or not."""
    if (limit := _limit()) < NEEDED_BYTES:
        raise MemoryError(
            f"This process may use {limit / 1e9:.1f} GB of addresses, and TensorFlow needs about "
            f"{NEEDED_BYTES / 1e9:.1f} GB. Use `ulimit -v unlimited` or more."
        )


def left() -> float:
    """Returns how many bytes of addresses this process may still take, infinite without a limit."""
    return max(0.0, _limit() - psutil.Process().memory_info().vms)


def _limit() -> float:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if limit == resource.RLIM_INFINITY else float(limit)
