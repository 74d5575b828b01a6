"""The cost of each block of a model: parameters, multiply-adds, activations."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras

from tftransfer.models.blocks import Block


@dataclasses.dataclass(frozen=True)
class BlockCost:
    """The cost of one block, forward, for one image.

    Attributes:
        name: Name of the block.
        parameters: Number of its weights, moving statistics included.
        multiply_adds: Multiplications with a weight, each with its addition.
        activation_floats: Numbers in the outputs of its layers; the memory of a training step is of this order.
        output_shape: Shape of its output without the batch, such as `(height, width, channels)`.
    """

    name: str
    parameters: int
    multiply_adds: int
    activation_floats: int
    output_shape: tuple[int | None, ...]


def block_cost(block: Block) -> BlockCost:
    """Returns the cost of a block.

    Multiply-adds are counted where there are kernels: convolutions, fully connected layers, the projections of
    attention. Normalisation, activation, pooling and attention's products of activations are left out.
    """
    counted = {id(weight): math.prod(weight.shape) for node in block.nodes for weight in _weights(node.operation)}
    return BlockCost(
        name=block.name,
        parameters=sum(counted.values()),
        multiply_adds=sum(_multiply_adds(node) for node in block.nodes),
        activation_floats=sum(_activations(node) for node in block.nodes),
        output_shape=tuple(block.output.shape[1:]),
    )


def table(blocks: Sequence[Block], possible_ends: Sequence[str]) -> str:
    """Returns the costs of a model's blocks as a table for people, then the layers after which it may be cut.

    Args:
        blocks: The blocks from the input upwards, the head last.
        possible_ends: Names of the layers after which a block of the model may end.
    """
    rows = [f"{'n':>3}  {'block':<26}{'parameters':>12}{'multiply-adds':>15}  {'output':<18}ends after"]
    for number, block in enumerate(blocks, 1):
        cost, is_head = block_cost(block), number == len(blocks)
        shape = " x ".join(map(str, cost.output_shape))
        rows.append(
            f"{'' if is_head else number:>3}  {cost.name:<26}{cost.parameters:>12,}{cost.multiply_adds:>15,}  "
            f"{shape:<18}{'the head, always new' if is_head else block.nodes[-1].operation.name}"
        )
    ends = {block.nodes[-1].operation.name for block in blocks[:-1]}
    rows += ["", "It may be cut after these layers (--blocks=NAME,NAME,...); * ends a block above:"]
    rows += [f"  {name}{' *' if name in ends else ''}" for name in possible_ends]
    return "\n".join(rows)


def _weights(operation: Any) -> Sequence[Any]:
    return getattr(operation, "weights", ())


def _inner_nodes(model: keras.Model) -> list[Any]:
    operations = model.layers if isinstance(model, keras.Sequential) else model.operations
    return [node for operation in operations for node in operation._inbound_nodes[:1] if node.input_tensors]


def _multiply_adds(node: Any) -> int:
    """Returns the multiply-adds of one call: numbers of the kernel times positions to which it is applied."""
    layer = node.operation
    if isinstance(layer, keras.Model):
        return sum(_multiply_adds(inner) for inner in _inner_nodes(layer))
    transposed = isinstance(layer, (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose))
    shape = (node.input_tensors if transposed else node.output_tensors)[0].shape
    last = getattr(layer, "data_format", "channels_last") != "channels_first"
    positions = math.prod(side or 1 for side in (shape[1:-1] if last else shape[2:]))
    return positions * sum(math.prod(weight.shape) for weight in _weights(layer) if len(weight.shape) > 1)


def _activations(node: Any) -> int:
    if isinstance(node.operation, keras.Model):
        return sum(_activations(inner) for inner in _inner_nodes(node.operation))
    return sum(math.prod(side or 1 for side in tensor.shape[1:]) for tensor in node.output_tensors)
