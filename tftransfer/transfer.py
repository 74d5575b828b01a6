"""Transfer of blocks between networks: copying, freezing, and the proof of which weights changed."""

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
    """Returns the number of blocks to copy, of which `n` may name the last."""
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

    No weight is assigned unless all fit.
    """
    present = {layer.name: layer for layer in target.layers}
    faults = []
    for name, arrays in weights.items():
        shapes = [array.shape for array in arrays]
        needed = [tuple(variable.shape) for variable in present[name].weights] if name in present else "no such layer"
        if needed != shapes:
            faults.append(f"{name}: source {shapes}, target {needed}")
    if faults:
        raise ValueError(
            f"The weights do not fit the target; nothing was copied. {'; '.join(faults)}. Build both networks with the "
            f"same architecture, width and input shape."
        )
    for name, arrays in weights.items():
        present[name].set_weights(arrays)
        if hasattr(present[name], "finalize_state"):  # Normalization computes with copies of its weights
            present[name].finalize_state()


def weights_of(model: keras.Model, blocks: Sequence[Block] | None = None) -> dict[str, list[np.ndarray]]:
    """Returns copies of the weights by layer name, of all layers or of those in the given blocks."""
    layers = model.layers if blocks is None else _layers(model, blocks)
    return {layer.name: layer.get_weights() for layer in layers if layer.weights}


def changed_layers(
    before: Weights, after: Weights, ignore: Mapping[str, Sequence[int]] | None = None
) -> tuple[str, ...]:
    """Returns the names of layers whose weights are not identical bit by bit.

    Args:
        before: Weights by layer name.
        after: The same layers later; others are ignored.
        ignore: Positions of weights to ignore, by layer name, such as those of `statistics_of`; none by default, so
            that the moving statistics of batch normalisation are compared as well.
    """
    ignored = ignore or {}
    return tuple(
        name
        for name, arrays in before.items()
        if any(
            a.tobytes() != b.tobytes()
            for position, (a, b) in enumerate(zip(arrays, after[name], strict=True))
            if position not in ignored.get(name, ())
        )
    )


def statistics_of(model: keras.Model) -> dict[str, tuple[int, ...]]:
    """Returns the positions of moving statistics of batch normalisation in the weights of each layer, by its name.

    Layers without any are omitted; a model inside the model counts as one layer.
    """
    positions = {}
    for layer in model.layers:
        norms = [part for part in every_layer(layer) if isinstance(part, keras.layers.BatchNormalization)]
        moving = {id(w) for norm in norms for w in norm.weights if w.name.startswith(("moving_", "renorm_"))}
        own = tuple(position for position, weight in enumerate(layer.weights) if id(weight) in moving)
        if own:
            positions[layer.name] = own
    return positions


def _layers(model: keras.Model, blocks: Sequence[Block]) -> list[keras.Layer]:
    """Returns the layers with weights in the given blocks."""
    layers = [model.get_layer(name) for block in blocks for name in block.layers]
    return [layer for layer in layers if layer.weights]
