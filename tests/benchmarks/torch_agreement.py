"""Does the whole agree with an independent implementation? The same small CaffeNet in PyTorch, trained by Caffe's rule.

    python tests/benchmarks/torch_agreement.py [--torch_python=PATH]

Both get the same initial weights, biases included, and the same batches. Compared are the logits of raw pixels before
training (goal: 1e-4), and after ten steps without dropout the weights, their changes, and the logits (goal: 1e-3). A
difference is the largest one of a layer over its largest value. The schedule drops once within the ten steps, so that
what a drop does to the momentum counts, too. Exits with 1 if a goal is missed, with 2 if PyTorch is not there.

The PyTorch side is written from the definitions of the layers and of Caffe's solver, in another memory layout; it
shares nothing with the package but arrays. It runs in a process of its own, whose Python may lack TensorFlow.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

STEPS, BATCH, CLASSES = 10, 16, 20
MOST_BEFORE, MOST_AFTER = 1e-4, 1e-3
SOLVER = {
    "rate": 0.002,
    "momentum": 0.9,
    "l2": 5e-4,
    "bias_lr_multiplier": 2.0,
    "bias_decay_multiplier": 0.0,
    "drop_steps": 6,
    "drop": 0.1,
}
# On raw pixels local normalisation divides activations of such weights by up to 2; training on them would explode.
TRAINING_SCALE = 1 / 16
CASES = {
    "CaffeNet's own table, 115 px": {"side": 115, "width": 0.125},
    "64-pixel table": {"side": 64, "width": 0.125},
    "32-pixel table": {"side": 32, "width": 0.25},
}


def batches(side: int) -> dict[str, np.ndarray]:
    """Returns ten batches of coloured patches less their mean, 0-255, and labels that the colours go with."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, (STEPS, BATCH))
    coarse = rng.integers(0, 256, (CLASSES, 8, 8, 3))[labels] * 0.5 + rng.integers(0, 128, (STEPS, BATCH, 8, 8, 3))
    repeats = -(-side // 8)
    images = coarse.repeat(repeats, 2).repeat(repeats, 3)[:, :, :side, :side]
    images = images + rng.normal(0, 10, images.shape)
    return {"images": (images - images.mean()).astype(np.float32), "labels": labels}


# Ours


def with_tftransfer(case: dict, data: dict[str, np.ndarray]) -> tuple[dict, dict]:
    """Returns weights and logits of our network before and after ten steps, by name."""
    import keras

    from tftransfer.models import AlexNet
    from tftransfer.training.optimizers import CaffeSGD, RateSchedule

    shape = (case["side"], case["side"], 3)
    model = AlexNet(shape, CLASSES, case["width"], dropout=0.0, initializer="he_normal", seed=0)
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, rng.uniform(-0.3, 0.3, bias.shape)])
    rate = RateSchedule(SOLVER["rate"], STEPS, "step", drop_steps=SOLVER["drop_steps"], drop_factor=SOLVER["drop"])
    solver = CaffeSGD(
        rate, SOLVER["momentum"], SOLVER["l2"], SOLVER["bias_lr_multiplier"], SOLVER["bias_decay_multiplier"]
    )
    model.compile(solver, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)

    def state(scale: float) -> dict[str, np.ndarray]:
        arrays = {f"{layer.name}/{i}": a for layer in model.layers for i, a in enumerate(layer.get_weights())}
        return arrays | {"logits": np.asarray(model(data["images"][0] * np.float32(scale)))}

    before = state(1.0)
    for images, labels in zip(data["images"], data["labels"], strict=True):
        model.train_on_batch(images * np.float32(TRAINING_SCALE), labels)
    return before, state(TRAINING_SCALE)


# PyTorch's


def torch_network(side: int, sizes: dict[str, int]):
    """Returns CaffeNet in PyTorch, with the numbers of channels and units given by layer.

    Krizhevsky's eight layers, in Caffe's order: rectify, pool 3/2, normalise over 5 channels.
    """
    from collections import OrderedDict

    from torch import nn

    def after(name: str, normalise: bool) -> list:
        rows = [(f"{name}-rectify", nn.ReLU()), (f"{name}-pool", nn.MaxPool2d(kernel_size=3, stride=2))]
        norm = nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=1.0)
        return [*rows, (f"{name}-normalise", norm)] if normalise else rows

    n = sizes
    if side >= 97:
        first, map_side = [("conv1", nn.Conv2d(3, n["conv1"], 11, stride=4))], (side - 11) // 4 + 1
    elif side >= 49:
        # "Same" with stride 2: an even image has one row more to fill at the end than at the beginning.
        first = [("conv1-frame", nn.ZeroPad2d((2, 3, 2, 3))), ("conv1", nn.Conv2d(3, n["conv1"], 7, stride=2))]
        map_side = side // 2
    else:
        first, map_side = [("conv1", nn.Conv2d(3, n["conv1"], 5, padding=2))], side
    for _ in range(3):
        map_side = (map_side - 3) // 2 + 1
    rows = [
        *first,
        *after("conv1", normalise=True),
        ("conv2", nn.Conv2d(n["conv1"], n["conv2"], 5, padding=2, groups=2)),
        *after("conv2", normalise=True),
        ("conv3", nn.Conv2d(n["conv2"], n["conv3"], 3, padding=1)),
        ("conv3-rectify", nn.ReLU()),
        ("conv4", nn.Conv2d(n["conv3"], n["conv4"], 3, padding=1, groups=2)),
        ("conv4-rectify", nn.ReLU()),
        ("conv5", nn.Conv2d(n["conv4"], n["conv5"], 3, padding=1, groups=2)),
        *after("conv5", normalise=False),
        ("flatten", nn.Flatten()),
        ("fc6", nn.Linear(n["conv5"] * map_side**2, n["fc6"])),
        ("fc6-rectify", nn.ReLU()),
        ("fc7", nn.Linear(n["fc6"], n["fc7"])),
        ("fc7-rectify", nn.ReLU()),
        ("fc8", nn.Linear(n["fc7"], n["fc8"])),
    ]
    return nn.Sequential(OrderedDict(rows)), map_side


def torch_worker(source: str, result: str) -> None:
    """Trains PyTorch's network from the arrays in the file `source`; writes its weights and logits to `result`."""
    import torch

    given = dict(np.load(source))
    case, solver = json.loads(str(given["case"])), json.loads(str(given["solver"]))
    layers = list(dict.fromkeys(name.partition("/")[0] for name in given if "/" in name))
    sizes = {layer: given[f"{layer}/1"].size for layer in layers}
    network, map_side = torch_network(case["side"], sizes)

    def as_torch(layer: str, kernel: np.ndarray) -> np.ndarray:
        """Height, width, inputs, outputs -> outputs, inputs, height, width; fc6 flattens likewise."""
        if layer == "fc6":
            kernel = kernel.reshape(map_side, map_side, sizes["conv5"], sizes["fc6"])
            return kernel.transpose(3, 2, 0, 1).reshape(sizes["fc6"], -1)
        return kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T

    def as_ours(layer: str, kernel: np.ndarray) -> np.ndarray:
        """Undoes `as_torch`."""
        if layer == "fc6":
            kernel = kernel.reshape(sizes["fc6"], sizes["conv5"], map_side, map_side)
            return kernel.transpose(2, 3, 1, 0).reshape(-1, sizes["fc6"])
        return kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T

    with torch.no_grad():
        for layer in layers:
            module = getattr(network, layer)
            module.weight.copy_(torch.from_numpy(as_torch(layer, given[f"{layer}/0"]).copy()))
            module.bias.copy_(torch.from_numpy(given[f"{layer}/1"]))
    images = torch.from_numpy(given["images"].transpose(0, 1, 4, 2, 3).copy())
    labels = torch.from_numpy(given["labels"])

    def state(when: str, scale: float) -> dict[str, np.ndarray]:
        with torch.no_grad():
            arrays = {f"{when}/logits": network(images[0] * scale).numpy()}
            for layer in layers:
                module = getattr(network, layer)
                arrays[f"{when}/{layer}/0"] = as_ours(layer, module.weight.numpy().copy())
                arrays[f"{when}/{layer}/1"] = module.bias.numpy().copy()
        return arrays

    before = state("before", 1.0)
    history = {name: torch.zeros_like(value) for name, value in network.named_parameters()}
    for iteration in range(len(images)):
        network.zero_grad()
        torch.nn.functional.cross_entropy(network(images[iteration] * solver["scale"]), labels[iteration]).backward()
        rate = solver["rate"] * solver["drop"] ** (iteration // solver["drop_steps"])
        with torch.no_grad():
            # Caffe: history = local rate * (gradient + decay * weight) + momentum * history; weight -= history.
            for name, value in network.named_parameters():
                is_bias = name.endswith("bias")
                decay = solver["l2"] * (solver["bias_decay_multiplier"] if is_bias else 1.0)
                local_rate = rate * (solver["bias_lr_multiplier"] if is_bias else 1.0)
                history[name].mul_(solver["momentum"]).add_(value.grad + decay * value, alpha=local_rate)
                value.sub_(history[name])
    np.savez(result, **before, **state("after", solver["scale"]))


def with_torch(python: str, case: dict, data: dict, start: dict) -> dict[str, np.ndarray]:
    """Returns PyTorch's arrays, named `before/...` and `after/...`."""
    with tempfile.TemporaryDirectory() as folder:
        source, result = f"{folder}/source.npz", f"{folder}/result.npz"
        weights = {name: array for name, array in start.items() if name != "logits"}
        np.savez(
            source, case=json.dumps(case), solver=json.dumps(SOLVER | {"scale": TRAINING_SCALE}), **data, **weights
        )
        subprocess.run([python, __file__, "--torch_worker", source, result], check=True)
        return dict(np.load(result))


# Comparison


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Returns the largest difference over the largest value."""
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def compare(case: dict, torch_python: str) -> dict[str, float]:
    """Returns the differences of one case by what is compared."""
    data = batches(case["side"])
    before, after = with_tftransfer(case, data)
    theirs = with_torch(torch_python, case, data, before)
    weights = [name for name in after if name != "logits"]
    return {
        "logits": difference(before["logits"], theirs["before/logits"]),
        "weights after": max(difference(after[w], theirs[f"after/{w}"]) for w in weights),
        "changes": max(difference(after[w] - before[w], theirs[f"after/{w}"] - before[w]) for w in weights),
        "logits after": difference(after["logits"], theirs["after/logits"]),
        "(moved by)": max(difference(after[w], before[w]) for w in weights),
    }


def imports_torch(python: str) -> bool:
    """Returns True if there is such an interpreter and it has PyTorch."""
    try:
        return not subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL, check=False).returncode
    except OSError:
        return False


def main() -> int:
    """Compares each case and prints one line for it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch_python", default=sys.executable, help="interpreter that can import torch and numpy")
    parser.add_argument("--torch_worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch_worker:
        torch_worker(*options.torch_worker)
        return 0
    if not imports_torch(options.torch_python):
        print(f"{options.torch_python} cannot import torch; name another with --torch_python=PATH", file=sys.stderr)
        return 2
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    columns = ("logits", "weights after", "changes", "logits after", "(moved by)")
    print(f"largest relative differences; {STEPS} steps of {BATCH} images, the rate drops after {SOLVER['drop_steps']}")
    print(f"{'':34}" + "".join(f"{column:>15}" for column in columns))
    agree = True
    for name, case in CASES.items():
        found = compare(case, options.torch_python)
        agree &= found["logits"] <= MOST_BEFORE
        agree &= all(found[column] <= MOST_AFTER for column in ("weights after", "changes", "logits after"))
        print(f"{name:34}" + "".join(f"{found[column]:15.1e}" for column in columns), flush=True)
    print(f"goals: {MOST_BEFORE:.0e} before, {MOST_AFTER:.0e} after: {'kept' if agree else 'MISSED'}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
