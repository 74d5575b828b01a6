"""Copies blocks from one network to another, freezes them, and proves afterwards what stayed and what moved."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from tftransfer.models.blocks import Block, blocks, every_layer

Weights = Mapping[str, list[np.ndarray]]


def transplant(source: keras.Model, target: keras.Model, n: int | str, frozen: bool) -> tuple[str, ...]:
    """Copies the first `n` blocks of `source` into `target` and sets their `trainable` flags.

    A block is one weight layer and what follows it, up to the next weight layer ("layer" in Yosinski et al. 2014,
    section 2). Call it before `target.compile`, which fixes the set of trained weights.

    Args:
        source: Trained network.
        target: Untrained network of the same architecture; the number of classes may differ.
        n: Blocks to copy, from 0 (none) to the number of blocks less one; or the name of the last copied block.
        frozen: True keeps the copied blocks fixed (AnB); False lets them train on (AnB+).

    Returns:
        Names of the copied blocks, from the input upwards.

    Raises:
        ValueError: If `n` is out of range or no block's name, the networks do not match, or `target` has been compiled
            already.

    Example:
        >>> from tftransfer.models import AlexNet
        >>> base = AlexNet(input_shape=(32, 32, 3), classes=5, width=0.1)
        >>> network = AlexNet(input_shape=(32, 32, 3), classes=7, width=0.1)
        >>> transplant(base, network, n=2, frozen=True)
        ('conv1', 'conv2')
        >>> network.get_layer("conv2").trainable, network.get_layer("conv3").trainable
        (False, True)
        >>> transplant(base, network, n="conv3", frozen=False)
        ('conv1', 'conv2', 'conv3')
    """
    ours, theirs = blocks(target), blocks(source)
    n = _block_count(n, [block.name for block in ours])
    if target.compiled:
        raise ValueError(
            "The target has been compiled, and what trains is fixed then: freezing would be ignored. Call transplant "
            "before compile, or compile again with a new optimizer after keras.models.clone_model."
        )
    copied = tuple(block.name for block in ours[:n])
    if copied != tuple(block.name for block in theirs[:n]):
        raise ValueError(
            f"The networks have other blocks. The target's are {', '.join(block.name for block in ours)}; the source's "
            f"are {', '.join(block.name for block in theirs)}."
        )
    copy_layers(weights_of(source, theirs[:n]), target)
    for layer in _layers(target, ours[:n]):
        layer.trainable = not frozen
    return copied


def _block_count(n: int | str, names: Sequence[str]) -> int:
    """Returns how many blocks `n` means, which may be the name of the last of them."""
    if isinstance(n, str):
        if n not in names[:-1]:
            raise ValueError(
                f"n must be the name of a block of the target below its head: {', '.join(names[:-1])}; or how many "
                f"blocks to copy, 0 to {len(names) - 1}. Received: n={n!r}"
            )
        return names.index(n) + 1
    if not 0 <= n < len(names):
        raise ValueError(
            f"n must be 0 to {len(names) - 1}: the target has {len(names)} blocks, and the last, its head, is never "
            f"copied. Received: n={n}"
        )
    return n


def copy_layers(weights: Weights, target: keras.Model) -> None:
    """Assigns weights by layer name; raises ValueError with both sides if names or shapes differ.

    Nothing is assigned unless everything fits.
    """
    present = {layer.name: layer for layer in target.layers}
    faults = []
    for name, arrays in weights.items():
        shapes = [array.shape for array in arrays]
        found = [tuple(variable.shape) for variable in present[name].weights] if name in present else "no such layer"
        if found != shapes:
            faults.append(f"{name}: source {shapes}, target {found}")
    if faults:
        raise ValueError(
            f"The weights do not fit the target; nothing was copied. {'; '.join(faults)}. Build both networks with the "
            f"same architecture, width and input shape."
        )
    for name, arrays in weights.items():
        present[name].set_weights(arrays)


def weights_of(model: keras.Model, of: Sequence[Block] | None = None) -> dict[str, list[np.ndarray]]:
    """Returns copies of the weights by layer name, of all layers or of the given blocks'."""
    layers = model.layers if of is None else [model.get_layer(name) for block in of for name in block.layers]
    return {layer.name: layer.get_weights() for layer in layers if layer.weights}


def changed_layers(
    before: Weights, after: Weights, leaving_out: Mapping[str, Sequence[int]] | None = None
) -> tuple[str, ...]:
    """Returns the names of layers whose weights are not the same bit by bit.

    Args:
        before: Weights by layer name.
        after: The same layers later; others are ignored.
        leaving_out: Places of weights that do not count, by layer name, such as `statistics_of` gives; none by
            default, so that the moving statistics of batch normalisation count as well.
    """
    idle = leaving_out or {}
    return tuple(
        name
        for name, arrays in before.items()
        if any(
            a.tobytes() != b.tobytes()
            for place, (a, b) in enumerate(zip(arrays, after[name], strict=True))
            if place not in idle.get(name, ())
        )
    )


def statistics_of(model: keras.Model) -> dict[str, tuple[int, ...]]:
    """Returns which weights are moving statistics of batch normalisation: places in each layer's weights, by its name.

    Layers without are left out; a model in the place of a layer counts as one layer.
    """
    found = {}
    for layer in model.layers:
        norms = [part for part in every_layer(layer) if isinstance(part, keras.layers.BatchNormalization)]
        moving = {id(w) for norm in norms for w in norm.weights if w.name.startswith(("moving_", "renorm_"))}
        places = tuple(place for place, weight in enumerate(layer.weights) if id(weight) in moving)
        if places:
            found[layer.name] = places
    return found


def _layers(model: keras.Model, of: Sequence[Block]) -> list[keras.Layer]:
    return [
        layer for name in [name for block in of for name in block.layers] if (layer := model.get_layer(name)).weights
    ]
