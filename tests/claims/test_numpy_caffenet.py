"""CaffeNet written out in NumPy from the authors' network file, beside ours with the same weights."""

import numpy as np
import pytest

from tftransfer.models import AlexNet


def convolved(x, kernel, bias, stride=1, padding=0, groups=1):
    """Caffe's `Convolution`: cross-correlation, each group of filters sees its share of the channels."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    size = kernel.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    parts = zip(np.split(windows, groups, axis=3), np.split(kernel, groups, axis=3), strict=True)
    return np.concatenate([np.einsum("bhwcij,ijcf->bhwf", part, of, optimize=True) for part, of in parts], -1) + bias


def rectified(x):
    return np.maximum(x, 0)


def pooled(x):
    """Caffe's `Pooling`: maximum of 3 x 3, stride 2."""
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max((-2, -1))


def normalised(x, size=5, alpha=1e-4, beta=0.75):
    """Caffe's `LRN` over channels: alpha is divided by the local size, k is 1."""
    around = np.pad(x**2, ((0, 0), (0, 0), (0, 0), (size // 2, size // 2)))
    energy = sum(around[..., shift : shift + x.shape[-1]] for shift in range(size))
    return x / (1 + alpha / size * energy) ** beta


def caffenet(x, weights):
    """Returns the logits, `(images, classes)` float64, of images `(images, 227, 227, 3)`."""
    x = normalised(pooled(rectified(convolved(x, *weights["conv1"], stride=4))))
    x = normalised(pooled(rectified(convolved(x, *weights["conv2"], padding=2, groups=2))))
    x = rectified(convolved(x, *weights["conv3"], padding=1))
    x = rectified(convolved(x, *weights["conv4"], padding=1, groups=2))
    x = pooled(rectified(convolved(x, *weights["conv5"], padding=1, groups=2)))
    for layer in ("fc6", "fc7", "fc8"):
        kernel, bias = weights[layer]
        x = x.reshape(len(x), -1) @ kernel + bias
        x = x if layer == "fc8" else rectified(x)
    return x


@pytest.fixture(scope="module")
def model():
    """Narrow, but with all of the paper's layers; weights and biases large enough for all of them to matter."""
    made = AlexNet((227, 227, 3), classes=7, width=0.1, initializer="he_normal", seed=0)
    rng = np.random.default_rng(1)
    for layer in made.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, rng.normal(size=bias.shape)])
    return made


def test_the_whole_network_computes_what_numpy_does(model):
    images = np.random.default_rng(2).uniform(-128, 128, (2, 227, 227, 3)).astype(np.float32)
    weights = {
        layer.name: [w.astype(np.float64) for w in layer.get_weights()] for layer in model.layers if layer.weights
    }
    expected = caffenet(images.astype(np.float64), weights)
    np.testing.assert_allclose(model(images), expected, atol=1e-4 * np.abs(expected).max())
    assert expected.std(axis=0).max() > 1e-2 * np.abs(expected).max(), "the images must make a difference"
