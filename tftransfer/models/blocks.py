"""Legal cuts of a functional model, and the blocks between them."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras

_NORMALISATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    keras.layers.UnitNormalization,
    keras.layers.Normalization,
)
# Names under which architectures number their units: Inception-ResNet's `block35_1_conv`, then `conv2_block1_1_conv`
# and `block2a_expand_conv`, and MobileNet's `expanded_conv_3_project`. Weight layers of one unit are one block.
_UNITS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<unit>block(35|17|8)_\d+)_.+",
        r"(?P<unit>.*?block_?\d+[a-z]?)_.+",
        r"(?P<unit>expanded_conv(_\d+)?)_\D.*",
    )
)


@dataclasses.dataclass(frozen=True)
class Block:
    """The layers between two cuts: a weight layer ("layer" in Yosinski et al. 2014), or a residual unit, and the rest.

    Attributes:
        name: Name of the block.
        layers: Names of all its layers, in order.
        output: Its symbolic output tensor, such as `(batch, height, width, channels)`, through which all paths run.
        nodes: The calls of layers and operations in it, in order.
    """

    name: str
    layers: tuple[str, ...]
    output: Any
    nodes: tuple[Any, ...] = dataclasses.field(default=(), repr=False)


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
    _check_cuttable(model)
    order = _nodes_in_order(model)
    return {order[end].operation.name: order[end].output_tensors[0] for end in _legal_ends(model, order)}


def _check_cuttable(model: keras.Model) -> None:
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


def _legal_ends(model: keras.Model, order: Sequence[Any]) -> list[int]:
    """Returns the positions in `order` after which only the output of that node is still needed."""
    last_use = {}
    for position, node in enumerate(order):
        for tensor in node.input_tensors:
            last_use[id(tensor)] = position
    last_use[id(model.outputs[0])] = len(order)
    live, ends = set(), []
    for position, node in enumerate(order):
        live |= {id(tensor) for tensor in node.output_tensors if last_use.get(id(tensor), -1) > position}
        live = {tensor for tensor in live if last_use[tensor] > position}
        output = node.output_tensors[0]
        inner = output is not model.inputs[0] and output is not model.outputs[0]
        if inner and live == {id(output)}:
            ends.append(position)
    return ends


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


def every_layer(layer: keras.Layer) -> Iterator[keras.Layer]:
    """Yields a layer and all layers inside it, at any depth."""
    yield from layer._flatten_layers(include_self=True, recursive=True)


@dataclasses.dataclass(frozen=True)
class _Segment:
    """The nodes between two neighbouring legal cuts; `name` is that of the last one, after which the cut lies."""

    nodes: tuple[Any, ...]

    @property
    def name(self) -> str:
        return self.nodes[-1].operation.name

    @property
    def weight_layers(self) -> list[Any]:
        """Layers with weights, except normalisation."""
        operations = (node.operation for node in self.nodes)
        return [o for o in operations if getattr(o, "weights", None) and not isinstance(o, _NORMALISATIONS)]

    @property
    def unit(self) -> str | None:
        """Name of the numbered unit to which all its weight layers belong by their own names; None without one."""
        named = [o.name for o in self.weight_layers if not _is_automatic(o)]
        matches = [next(filter(None, (pattern.fullmatch(name) for pattern in _UNITS)), None) for name in named]
        units = {match["unit"] if match else None for match in matches}
        return units.pop() if len(units) == 1 else None


def _segments(model: keras.Model) -> list[_Segment]:
    """Divides a model at its legal cuts, but not where a layer with weights is used on both sides."""
    _check_cuttable(model)
    order = _nodes_in_order(model)
    first, last = {}, {}
    for position, node in enumerate(order):
        if getattr(node.operation, "weights", None):
            first.setdefault(id(node.operation), position)
            last[id(node.operation)] = position
    shared = [(first[key], last[key]) for key in first if first[key] < last[key]]
    ends = [end for end in _legal_ends(model, order) if not any(low <= end < high for low, high in shared)]
    starts = [0, *(end + 1 for end in ends)]
    parts = [order[start : end + 1] for start, end in zip(starts, [*ends, len(order) - 1], strict=True)]
    return [_Segment(tuple(n for n in part if not isinstance(n.operation, keras.layers.InputLayer))) for part in parts]


def possible_ends(model: keras.Model) -> tuple[str, ...]:
    """Returns the names of the layers after which a block may end: legal cuts with no shared layer on both sides."""
    return tuple(segment.name for segment in _segments(model)[:-1])


def blocks(model: keras.Model, names: Sequence[str] | None = None) -> tuple[Block, ...]:
    """Divides a functional model into blocks.

    By default a block begins at each weight layer after a legal cut; where paths run in parallel, as in a residual
    unit, what lies between two cuts stays together. Weight layers which the architecture numbers as one unit
    (`block2a_expand_conv`, `block2a_project_conv`) are one block unless the model is a plain chain, and a depthwise
    convolution goes with the pointwise one after it. Normalisation, activation and pooling belong to the layers before
    them, unless they bear the next block's name (`fc6_flatten`, `conv3_block1_preact_bn`).

    Args:
        model: A functional model with one input and one output.
        names: Where blocks end, from the input upwards: each the name of one of the default blocks, or of any layer
            after which the model may be cut. The head, the rest, need not be named.

    Returns:
        The blocks from the input upwards, the head last.

    Raises:
        ValueError: If a name is unknown or out of order, or the model cannot be cut there.
    """
    segments = _segments(model)
    groups = _default_groups(model, segments)
    if names:
        groups = _chosen_groups(model, segments, groups, names)
    return tuple(_block(name, nodes) for name, nodes in _with_nodes(segments, groups))


# Name of a block, and the number of segments in and before it.
_Group = tuple[str, int]


def _with_nodes(segments: Sequence[_Segment], groups: Sequence[_Group]) -> Iterator[tuple[str, list[Any]]]:
    start = 0
    for name, end in groups:
        yield name, [node for segment in segments[start:end] for node in segment.nodes]
        start = end


def _block(name: str, nodes: Sequence[Any]) -> Block:
    layers = dict.fromkeys(n.operation.name for n in nodes if isinstance(n.operation, keras.Layer))
    return Block(name, tuple(layers), nodes[-1].output_tensors[0], tuple(nodes))


def _default_groups(model: keras.Model, segments: Sequence[_Segment]) -> list[_Group]:
    """Returns the model's own blocks."""
    weighty = [position for position, segment in enumerate(segments) if segment.weight_layers]
    if not weighty:
        raise ValueError(f"The model {model.name} has no layer with weights after a legal cut: nothing can be copied.")
    chain = all(len(segment.nodes) <= 1 for segment in segments)
    starts = []
    for before, position in zip([None, *weighty], weighty, strict=False):
        is_head = position == weighty[-1]
        if before is None or is_head or not _belong_together(segments[before], segments[position], chain):
            starts.append(position)
    names = [_name(segments[start], chain) for start in starts]
    begins = [0]
    for name, start in zip(names[1:], starts[1:], strict=True):
        begin = start  # layers with the block's name go with it: fc6_flatten, conv2_block1_preact_bn
        while not segments[begin - 1].weight_layers and segments[begin - 1].name.startswith(f"{name}_"):
            begin -= 1
        begins.append(begin)
    return list(zip(_readable(names, model.name), [*begins[1:], len(segments)], strict=True))


def _belong_together(before: _Segment, segment: _Segment, chain: bool) -> bool:
    """Whether the weight layers of two neighbouring segments are one block."""
    lone = before.weight_layers[0] if len(before.weight_layers) == 1 else None
    if isinstance(lone, keras.layers.DepthwiseConv2D):
        return True
    return not chain and segment.unit is not None and segment.unit == before.unit


def _name(segment: _Segment, chain: bool) -> str:
    """Returns the name of the block that begins with the weight layers of a segment."""
    if segment.unit and not chain:
        return segment.unit
    if len(segment.weight_layers) == 1 or _is_automatic(segment.nodes[-1].operation):
        return segment.weight_layers[0].name
    return segment.name  # parallel paths: the layer that joins them, such as Inception's mixed0


def _is_automatic(operation: Any) -> bool:
    """Whether Keras chose the name, such as `conv2d_3` or `add`."""
    plain = re.sub(r"\d|_", "", operation.name)
    return plain == re.sub(r"\d", "", type(operation).__name__).lower()


def _readable(names: Sequence[str], model_name: str) -> list[str]:
    """Returns the names without the model's own as a prefix, numbered where two are equal."""
    short = [name.removeprefix(f"{model_name}_") for name in names]
    return [name if short.count(name) == 1 else f"{name}-{i}" for i, name in enumerate(short, 1)]


def _chosen_groups(
    model: keras.Model, segments: Sequence[_Segment], groups: Sequence[_Group], names: Sequence[str]
) -> list[_Group]:
    """Returns the blocks that end at the layers a user named."""
    head = groups[-1][0]
    cuts = {segment.name: position for position, segment in enumerate(segments[:-1], 1)}
    ends = cuts | dict(groups[:-1])
    chosen, reached = [], 0
    for name in names[:-1] if names[-1] == head else names:
        if name not in ends:
            layers = [operation.name for operation in model.operations]
            known = (
                f"not every path runs through it, or a layer is used on both sides. Legal cuts are after "
                f"{', '.join(cuts)}"
                if name in layers or name == head
                else f"it has no block or layer of that name. Its blocks are {', '.join(name for name, _ in groups)}"
            )
            raise ValueError(f"The model {model.name} cannot be cut after {name}: {known}.")
        if ends[name] <= reached:
            raise ValueError(
                f"Blocks must be named from the input upwards, each once. Received: {name} in {', '.join(names)}"
            )
        reached = ends[name]
        chosen.append((name, reached))
    if not any(segment.weight_layers for segment in segments[reached:]):
        raise ValueError(
            f"The head, after the last of --blocks, must keep a layer with weights: it is always new. Received: "
            f"{', '.join(names)}"
        )
    return [*chosen, (head, len(segments))]
