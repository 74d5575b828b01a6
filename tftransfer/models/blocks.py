"""Where a functional model may be cut, and which of its layers form block n."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

_NORMALISATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.UnitNormalization,
)


@dataclasses.dataclass(frozen=True)
class Block:
    """One weight layer and what follows it up to the next ("layer" in Yosinski et al. 2014).

    Attributes:
        name: Name of the block, that of its first weight layer.
        layers: Names of all its layers, in order.
        output: Its symbolic output tensor, through which every path of the model runs.
    """

    name: str
    layers: tuple[str, ...]
    output: Any


def legal_cuts(model: keras.Model) -> dict[str, Any]:
    """Returns the tensors through which every path from input to output runs.

    In any order of the operations that respects their inputs, such a tensor is the only one still needed when it has
    just been made.

    Args:
        model: A functional model with one input and one output.

    Returns:
        Symbolic tensors by the name of the layer which makes them, from the input upwards; neither the input nor the
        output is among them.

    Raises:
        ValueError: If the model is not functional or has several inputs or outputs.
    """
    if not getattr(model, "outputs", None):  # subclassed models have no symbolic tensors
        raise ValueError(
            f"Only a functional Keras model can be cut. Received: {type(model).__name__}. Build it with "
            f"keras.Model(inputs, outputs) or keras.Sequential."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"Only a model with one input and one output can be cut. Received: {len(model.inputs)} input(s) and "
            f"{len(model.outputs)} output(s)."
        )
    order = _nodes_in_order(model)
    last_use = {}
    for position, node in enumerate(order):
        for tensor in node.input_tensors:
            last_use[id(tensor)] = position
    last_use[id(model.outputs[0])] = len(order)
    live, cuts = set(), {}
    for position, node in enumerate(order):
        live |= {id(tensor) for tensor in node.output_tensors if last_use.get(id(tensor), -1) > position}
        live = {tensor for tensor in live if last_use[tensor] > position}
        output = node.output_tensors[0]
        inner = output is not model.inputs[0] and output is not model.outputs[0]
        if inner and live == {id(output)}:
            cuts[node.operation.name] = output
    return cuts


def _nodes_in_order(model: keras.Model) -> list[Any]:
    """Returns the calls of layers that lead from input to output, each after those it depends on."""
    order, seen = [], set()

    def visit(tensor: Any) -> None:
        stack = [(tensor, False)]
        while stack:
            current, inputs_done = stack.pop()
            operation, index = current._keras_history.operation, current._keras_history.node_index
            node = operation._inbound_nodes[index]
            if inputs_done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((current, True))
                if current is not model.inputs[0]:
                    stack.extend((needed, False) for needed in node.input_tensors)

    visit(model.outputs[0])
    return order


def blocks(model: keras.Model, names: Sequence[str] | None = None) -> tuple[Block, ...]:
    """Divides a functional model into blocks.

    A layer belongs to the block whose name it carries as a prefix (`conv1_pool` to `conv1`), else to the block of the
    layers before it.

    Args:
        model: A functional model with one input and one output.
        names: Names of the blocks from the input upwards, each that of a weight layer; by default of every weight
            layer whose input is a legal cut.

    Returns:
        The blocks from the input upwards, the head last.

    Raises:
        ValueError: If a name is unknown, or the model cannot be cut where a block ends.
    """
    cuts = legal_cuts(model)
    order = [layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    names = tuple(names) if names else _weight_layers_behind_cuts(model, cuts)
    unknown = [name for name in names if name not in order]
    if unknown:
        raise ValueError(
            f"The model {model.name} has no layer {', '.join(unknown)}. Its layers are {', '.join(order)}."
        )
    members = {name: [] for name in names}
    current = names[0]
    for layer in order:
        named = [name for name in names if layer == name or layer.startswith(f"{name}_")]
        current = max(named, key=len) if named else current
        members[current].append(layer)
    ends = [members[name][-1] for name in names]
    for name, end in zip(names[:-1], ends[:-1], strict=True):
        if end not in cuts:
            raise ValueError(
                f"The model {model.name} cannot be cut behind block {name}: not every path runs through {end}. Legal "
                f"cuts are behind {', '.join(cuts)}."
            )
    outputs = [cuts[end] for end in ends[:-1]] + [model.outputs[0]]
    return tuple(Block(name, tuple(members[name]), output) for name, output in zip(names, outputs, strict=True))


def _weight_layers_behind_cuts(model: keras.Model, cuts: dict[str, Any]) -> tuple[str, ...]:
    """Returns the weight layers whose input every path runs through; normalisation goes with the layer before it."""
    legal = {id(tensor) for tensor in cuts.values()} | {id(model.inputs[0])}
    layers = [layer for layer in model.layers if layer.weights and not isinstance(layer, _NORMALISATIONS)]
    return tuple(layer.name for layer in layers if id(layer.input) in legal)
