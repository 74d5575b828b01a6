"""What --list_blocks prints: where a model may be cut, its blocks, and what each costs."""

from tftransfer.models import architectures, keras_settings
from tftransfer.models.blocks import blocks, possible_ends
from tftransfer.models.costs import block_cost
from tftransfer.models.options import ModelOptions

_CLASSES = 1000  # of ILSVRC; only the head's cost depends on it


def text(options: ModelOptions) -> str:
    """Returns the table of a model's blocks, then the names of all layers behind which it may be cut.

    Args:
        options: What decides the architecture.
    """
    with keras_settings.of_ours("float32"):
        model = architectures.build(options, _CLASSES)
    found = blocks(model, options.blocks or None)
    rows = [
        f"{options.model} at {options.input_size} pixels, {len(found)} blocks; cost of one image, the head with "
        f"{_CLASSES} classes",
        "",
        f"{'n':>3}  {'block':<26}{'parameters':>12}{'multiply-adds':>15}  {'output':<18}ends behind",
    ]
    for number, block in enumerate(found, 1):
        cost = block_cost(block)
        is_head = number == len(found)
        shape = " x ".join(map(str, cost.output_shape))
        rows.append(
            f"{'' if is_head else number:>3}  {cost.name:<26}{cost.parameters:>12,}{cost.multiply_adds:>15,}  "
            f"{shape:<18}{'the head, always new' if is_head else block.nodes[-1].operation.name}"
        )
    ends = {block.nodes[-1].operation.name for block in found[:-1]}
    rows += ["", "It may be cut behind these layers (--blocks=NAME,NAME,...); * ends a block above:"]
    rows += [f"  {name}{' *' if name in ends else ''}" for name in possible_ends(model)]
    return "\n".join(rows)
