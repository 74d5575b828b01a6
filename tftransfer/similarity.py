"""Similarity of two sets of features: linear CKA, estimated without bias from small batches of images.

No well-kept implementation runs on NumPy; those of PyTorch are the same few sums.
"""

from collections.abc import Sequence

import numpy as np

# The estimator divides by n - 3.
LEAST_IMAGES = 4


def gram(features: np.ndarray) -> np.ndarray:
    """Returns the inner products of images, the diagonal left out.

    Args:
        features: `(images, ...)`, what a block makes of each image.

    Returns:
        `(images, images)` float64 with zeros on the diagonal.
    """
    flat = np.asarray(features, np.float64).reshape(len(features), -1)  # (images, features)
    # Centred: the estimate is the same, and large means cost no digits. Constant features become exactly 0.
    flat = flat - flat[:1]
    flat = flat - flat.mean(axis=0)
    products = flat @ flat.T  # (images, images)
    np.fill_diagonal(products, 0)
    return products


def hsic(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the unbiased estimate of the Hilbert-Schmidt independence criterion (Song et al. 2012, eq. 5).

    Args:
        first: From `gram`, `(images, images)`.
        second: From `gram`, of the same images.

    Raises:
        ValueError: If there are fewer than 4 images, or not the same number on both sides.
    """
    n = len(first)  # images
    if n < LEAST_IMAGES or first.shape != second.shape:
        raise ValueError(
            f"The estimate needs the same {LEAST_IMAGES} or more images on both sides. Received: {len(first)} and "
            f"{len(second)}."
        )
    sums = first.sum() * second.sum() / ((n - 1) * (n - 2)) - 2 * (first.sum(0) @ second.sum(0)) / (n - 2)
    return float(((first * second).sum() + sums) / (n * (n - 3)))


def linear_cka(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    """Returns the linear CKA of two sets of features (Nguyen, Raghu and Kornblith 2021, eq. 3).

    It is 1 for features that differ by rotation and scale, 0 in expectation for independent ones, and may fall a
    little below 0, as unbiased estimates do.

    Args:
        first: From `gram`, one for each batch of images.
        second: The same batches' other features.

    Returns:
        The similarity; NaN if all features of one side are constant.
    """
    pairs = list(zip(first, second, strict=True))
    both = np.mean([hsic(a, b) for a, b in pairs])
    own = np.mean([hsic(a, a) for a, _ in pairs]), np.mean([hsic(b, b) for _, b in pairs])
    return float(both / np.sqrt(own[0] * own[1])) if min(own) > 0 else float("nan")
