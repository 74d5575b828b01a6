"""Scores of a network on a validation half, from its logits."""

import numpy as np


def scores(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns the scores of one network.

    Args:
        logits: `(images, classes)`.
        labels: `(images,)`, 0 to classes - 1.

    Returns:
        Fractions from 0 to 1: `top1`, `top5` (best of all if there are fewer classes), `per_class_top1` (mean over
        classes of each one's top-1, as the paper's sets are not balanced everywhere); and `cross_entropy` in nats,
        without any penalty.

    Example:
        >>> scores(np.array([[0.0, 9.0], [0.0, 9.0]]), np.array([1, 0]))["top1"]
        0.5
    """
    logits = np.asarray(logits, np.float64)
    of_label = np.take_along_axis(logits, labels[:, None], axis=1)  # (images, 1)
    # Of equal logits the lower class wins, as in argmax: a network that says nothing then scores chance.
    lower = np.arange(logits.shape[1]) < labels[:, None]
    rank = ((logits > of_label) | ((logits == of_label) & lower)).sum(axis=1)  # (images,), 0 is best
    rank = np.where(np.isfinite(logits).all(axis=1), rank, logits.shape[1])  # what is no number is wrong
    right = rank == 0
    per_class = [right[labels == label].mean() for label in np.unique(labels)]
    highest = logits.max(axis=1, keepdims=True)  # (images, 1): no exponential overflows
    log_sum = np.log(np.exp(logits - highest).sum(axis=1)) + highest[:, 0]
    return {
        "top1": float(right.mean()),
        "top5": float((rank < 5).mean()),
        "per_class_top1": float(np.mean(per_class)),
        "cross_entropy": float((log_sum - of_label[:, 0]).mean()),
    }


def chance(labels: np.ndarray, classes: int) -> float:
    """Returns the top-1, 0 to 1, of always naming the most frequent class: 1 / classes if all are equally frequent.

    Args:
        labels: `(images,)`, 0 to classes - 1.
        classes: Number of classes.
    """
    return float(np.bincount(labels, minlength=classes).max() / len(labels))


def extremes(labels: np.ndarray, classes: int) -> list[int]:
    """Returns the numbers of images of the smallest and of the largest class; the arguments are those of `chance`."""
    counts = np.bincount(labels, minlength=classes)
    return [int(counts.min()), int(counts.max())]
