"""Names of models, which commands need before any tensor exists; nothing here imports Keras."""

import ast
import difflib
import importlib.machinery
import importlib.util
import math
import os
import pathlib
import re

ALEXNET_BLOCKS: tuple[str, ...] = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
"""Blocks of AlexNet from the input upwards; the last is the head."""

MODELS: dict[str, tuple[str, ...]] = {"AlexNet": ALEXNET_BLOCKS}
"""Built-in architectures and their blocks."""

APPLICATIONS: tuple[str, ...] = (
    "ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge",
    "DenseNet121", "DenseNet169", "DenseNet201",
    "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3", "EfficientNetB4", "EfficientNetB5",
    "EfficientNetB6", "EfficientNetB7",
    "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3", "EfficientNetV2S",
    "EfficientNetV2M", "EfficientNetV2L",
    "InceptionResNetV2", "InceptionV3",
    "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small",
    "NASNetLarge", "NASNetMobile",
    "ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2",
    "VGG16", "VGG19", "Xception",
)  # fmt: skip
"""Builders of keras.applications (Keras 3.15)."""

# Sides in pixels below which keras.applications refuses to build; all others, and AlexNet, go down to 32.
SMALLEST_SIDES = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}

INITIALIZERS: tuple[str, ...] = ("paper", "he_normal", "glorot_uniform")
"""Initial weights that the built-in architectures offer."""

EXPECTED = (
    "AlexNet, a builder of keras.applications such as ResNet50 (--list names them), FILE.keras or module:function"
)
"""Values of --model, for messages."""

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_WITHOUT_BATCH_NORM = ("AlexNet", "VGG", "ConvNeXt")


def is_file(model: str) -> bool:
    """Whether the model is a file, `FILE.keras`."""
    return model.endswith(".keras")


def is_function(model: str) -> bool:
    """Whether the model is made by a function, `module:function`."""
    return bool(_FUNCTION.fullmatch(model))


def expected_model(model: str) -> str | None:
    """Returns the expected values, with near matches, if `model` cannot be the name of a model; else None."""
    if model in MODELS or model in APPLICATIONS or is_file(model) or is_function(model):
        return None
    by_lower = {name.lower(): name for name in (*MODELS, *APPLICATIONS)}
    near = [by_lower[name] for name in difflib.get_close_matches(model.lower(), by_lower, n=3)]
    return EXPECTED + (f" (did you mean {' or '.join(near)}?)" if near else "")


def check_reachable(model: str) -> None:
    """Raises ValueError if `model` is a missing file, or a function that is not in the source code of its module."""
    if is_function(model):
        _check_function(model)
    if is_file(model) and not pathlib.Path(model).is_file():
        raise ValueError(
            f"There is no such model file. Expected a file that model.save wrote. Received: --model={model}"
        )


def _check_function(model: str) -> None:
    """Raises ValueError if a function is missing or takes no image shape and classes; no code is run."""
    module, _, function = model.partition(":")
    path = _file_of(module)
    if path is None:
        raise ValueError(f"Cannot find the module of --model={model}: {module}. Is it in this folder?")
    if path.suffix != ".py":
        return  # a compiled module: importing it will tell
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"Cannot read the module of --model={model}: {' '.join(str(error).split())}") from error
    defined = {name: node for node in tree.body for name in _bound(node)}
    if function not in defined and not _binds_more(tree):
        near = difflib.get_close_matches(function, defined, n=3)
        hint = f" Did you mean {' or '.join(f'{module}:{name}' for name in near)}?" if near else ""
        raise ValueError(f"There is no function {function} in the module {module}. Received: --model={model}.{hint}")
    definition = defined.get(function)
    if isinstance(definition, ast.FunctionDef) and not definition.decorator_list:
        arguments = definition.args.posonlyargs + definition.args.args
        most = math.inf if definition.args.vararg else len(arguments)
        if not len(arguments) - len(definition.args.defaults) <= 2 <= most:
            raise ValueError(wrong_arguments(model, f"it takes {len(arguments)}"))


def wrong_arguments(model: str, what: str) -> str:
    """Returns the message about a function that cannot be called with image shape and classes."""
    return (
        f"The function of --model={model} must take the shape of the images, (height, width, channels), and the number "
        f"of classes: def build(input_shape, classes). Received: {what}"
    )


def _file_of(module: str) -> pathlib.Path | None:
    """Returns the file that an import of a module would load, or None; the packages around it are not run."""
    first, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(first)
        for depth in range(len(inner)):
            places = spec.submodule_search_locations if spec else None
            name = ".".join([first, *inner[: depth + 1]])
            spec = importlib.machinery.PathFinder.find_spec(name, places) if places is not None else None
    except (ImportError, ValueError):
        return None
    return pathlib.Path(spec.origin or "package") if spec else None


def _bound(node: ast.stmt) -> list[str]:
    """Returns the names that a statement at the top of a module binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    inner = [each for each in ast.walk(node) if isinstance(each, ast.stmt) and each is not node]
    stored = [each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]
    return stored + [name for each in inner for name in _bound(each)]


def _binds_more(tree: ast.Module) -> bool:
    """Whether a module may have names that do not stand in its source code."""
    names = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
    defined = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.alias)}
    return bool(names & {"globals", "exec", "setattr", "vars"} or defined & {"*", "__getattr__"})


def label(model: str) -> str:
    """Returns the model's name for records, without the folders of this machine."""
    return os.path.basename(model) if is_file(model) else model


def safe_label(model: str) -> str:
    """Returns the model's name as part of the name of a folder."""
    text = label(model).removesuffix(".keras")
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text)[:40] or "model"


def blocks_of(model: str, blocks: str = "") -> tuple[str, ...] | None:
    """Returns a model's blocks from the input upwards, the head last, or None if the model must be built to know them.

    Args:
        model: Value of --model.
        blocks: Value of --blocks; empty for the model's own blocks.
    """
    known = MODELS.get(model)
    if known is None or not blocks:
        return known
    chosen = tuple(name for name in blocks.split(",") if name != known[-1])
    return (*chosen, known[-1]) if chosen == tuple(name for name in known[:-1] if name in chosen) else None


def has_batch_norm(model: str) -> bool | None:
    """Whether a model has batch normalisation; None if it must be built to know."""
    if model in MODELS or model in APPLICATIONS:
        return not model.startswith(_WITHOUT_BATCH_NORM)
    return None


def smallest_side(model: str) -> int:
    """Returns the smallest side of images in pixels that a model of known name takes."""
    return SMALLEST_SIDES.get(model, 32)
