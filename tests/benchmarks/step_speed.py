"""Images per second of a whole training step: ours, Keras' own layers, PyTorch eager; side by side in one run.

    python tests/benchmarks/step_speed.py [--full] [--only=227] [--repetitions=7] [--torch_python=PATH]

Every network is the same one, translated from our Keras model: forward, backward and SGD with momentum on a batch of
random images; ours with our optimizer, set to do what the others' do. The cases take turns, so that a disturbance
of the machine meets all of them. Printed are medians, and the fastest turn of each, the nearest to an idle machine.
PyTorch runs in a process of its own, with the faster of its two memory layouts; without it that column stays empty.
Goals for CaffeNet at 227 pixels: 5 times Keras' own layers, 1.3 times PyTorch. `--only=227 --repetitions=3` measures it
alone, in about two minutes on two cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CLASSES = 100
CASES = {
    "32 px, half width": {"side": 32, "width": 0.5, "batch": 128, "steps": 4},
    "64 px, half width": {"side": 64, "width": 0.5, "batch": 128, "steps": 4},
    "32 px, quarter width": {"side": 32, "width": 0.25, "batch": 128, "steps": 8},
    "CaffeNet 227 px": {"side": 227, "width": 1.0, "batch": 64, "steps": 1},
}


class KerasContender:
    """A compiled Keras model which can be asked to train for some steps."""

    def __init__(self, model, case: dict, optimizer):
        import keras

        generator = keras.random.SeedGenerator(0)
        self.x = keras.random.normal((case["batch"], case["side"], case["side"], 3), seed=generator)
        self.y = keras.random.randint((case["batch"],), 0, CLASSES, seed=generator)
        self.model = model
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, jit_compile=False)

    def seconds(self, steps: int) -> float:
        """Trains for `steps` steps and returns how long they took."""
        start = time.perf_counter()
        for _ in range(steps):
            self.model.train_on_batch(self.x, self.y)
        return time.perf_counter() - start


class TorchContender:
    """The same network in a PyTorch process, asked through its standard input."""

    def __init__(self, python: str, layers: list[dict], case: dict, layout: str):
        command = [python, __file__, "--torch_worker", json.dumps({"layers": layers, "layout": layout, **case})]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self, steps: int) -> float:
        """Trains for `steps` steps and returns how long they took."""
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def with_keras_layers(model):
    """A clone of `model` with Keras' own grouped convolution and TensorFlow's own normalisation."""
    import keras
    import tensorflow as tf

    from tftransfer.models import GroupedConv2D, LocalResponseNormalization

    class OwnNormalization(keras.layers.Layer):
        def call(self, inputs):
            return tf.nn.local_response_normalization(inputs, 2, alpha=2e-5, beta=0.75, bias=1.0)

    def own(layer):
        config = layer.get_config()
        if isinstance(layer, GroupedConv2D):
            config.pop("implementation")
            return keras.layers.Conv2D.from_config(config)
        if isinstance(layer, LocalResponseNormalization):
            return OwnNormalization(name=layer.name)
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=own)


def described(model) -> list[dict]:
    """What PyTorch needs to know of each layer of `model`, as plain data."""
    layers = []
    for layer in model.layers[1:]:
        config = layer.get_config()
        row = {"kind": type(layer).__name__, "inputs": layer.input.shape[-1], "outputs": layer.output.shape[-1]}
        row |= {key: config[key] for key in ("kernel_size", "strides", "padding", "groups", "rate") if key in config}
        layers.append(row)
    return layers


def torch_worker(task: dict) -> None:
    """Trains the described network for as many steps as each line of standard input says; prints the seconds."""
    import torch
    from torch import nn

    def translated(row):
        kind, inputs, outputs = row["kind"], row["inputs"], row["outputs"]
        if kind in ("Conv2D", "GroupedConv2D"):
            size = row["kernel_size"][0]
            padding = size // 2 if row["padding"] == "same" else 0
            return nn.Conv2d(inputs, outputs, size, row["strides"][0], padding, groups=row["groups"])
        if kind == "Dense":
            return nn.Linear(inputs, outputs)
        if kind == "ReplicaDropout":
            return nn.Dropout(row["rate"])
        others = {
            "ReLU": nn.ReLU(inplace=True),
            "MaxPooling2D": nn.MaxPool2d(3, 2),
            "LocalResponseNormalization": nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0),
            "Flatten": nn.Flatten(),
        }
        return others[kind]

    torch.manual_seed(0)
    layout = getattr(torch, task["layout"])
    net = nn.Sequential(*map(translated, task["layers"])).to(memory_format=layout)
    optimizer = torch.optim.SGD(net.parameters(), 1e-3, momentum=0.9)
    x = torch.randn(task["batch"], 3, task["side"], task["side"]).to(memory_format=layout)
    y = torch.randint(0, CLASSES, (task["batch"],))
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        print(time.perf_counter() - start, flush=True)


def measure(case: dict, repetitions: int, torch_python: str | None) -> dict[str, list[float]]:
    """Images per second of each case in each of its turns."""
    import keras

    from tftransfer.models import AlexNet
    from tftransfer.training.optimizers import CaffeSGD

    side = case["side"]
    model = AlexNet((side, side, 3), CLASSES, width=case["width"], initializer="he_normal", seed=0)
    same = CaffeSGD(1e-3, momentum=0.9, l2=0.0, bias_lr_multiplier=1.0)  # does what the others' optimizers do
    keras_own = keras.optimizers.SGD(1e-3, momentum=0.9)
    cases = {
        "ours": KerasContender(model, case, same),
        "Keras' own": KerasContender(with_keras_layers(model), case, keras_own),
    }
    if torch_python:
        for layout in ("contiguous_format", "channels_last"):
            cases[f"PyTorch {layout}"] = TorchContender(torch_python, described(model), case, layout)
    taken = {name: [] for name in cases}
    for case in cases.values():
        case.seconds(2)  # traces and warms up
    for _ in range(repetitions):
        for name, case in cases.items():
            steps = 1 if name == "Keras' own" else case["steps"]
            taken[name].append(case.seconds(steps) / steps)
    for case in cases.values():
        if isinstance(case, TorchContender):
            case.close()
    return {name: [case["batch"] / seconds for seconds in turns] for name, turns in taken.items()}


def main() -> None:
    """Measures each case and prints one line for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="also CaffeNet at 227 px and a quarter-width network")
    parser.add_argument("--only", default="", help="measure the cases whose name contains this, of all that --full has")
    parser.add_argument("--repetitions", type=int, default=7, help="turns of each case")
    parser.add_argument("--torch_python", default=sys.executable, help="interpreter that can import torch")
    parser.add_argument("--torch_worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch_worker:
        torch_worker(json.loads(options.torch_worker))
        return

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    torch_python = options.torch_python
    if subprocess.run([torch_python, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode:
        print(f"PyTorch column skipped: {torch_python} cannot import torch")
        torch_python = None
    names = list(CASES) if options.full or options.only else list(CASES)[:2]
    names = [name for name in names if options.only in name]
    if not names:
        parser.error(f"no case contains {options.only!r}; there are {', '.join(CASES)}")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}; median of {options.repetitions} turns")
    print(f"{'images/s':22}{'ours':>8}{'Keras own':>11}{'PyTorch':>9}{'x Keras':>9}{'x PyTorch':>11}")
    for name in names:
        turns = measure(CASES[name], options.repetitions, torch_python)
        print(row(name, {case: statistics.median(speeds) for case, speeds in turns.items()}))
        print(row("  fastest turns", {case: max(speeds) for case, speeds in turns.items()}), flush=True)


def row(title: str, speeds: dict[str, float]) -> str:
    """One line of the table, from images per second of each case."""
    ours, own = speeds["ours"], speeds["Keras' own"]
    line = f"{title:22}{ours:8.0f}{own:11.1f}"
    torch_speeds = [speed for case, speed in speeds.items() if case.startswith("PyTorch")]
    if not torch_speeds:
        return f"{line}{'-':>9}{ours / own:9.1f}{'-':>11}"
    return f"{line}{max(torch_speeds):9.0f}{ours / own:9.1f}{ours / max(torch_speeds):11.2f}"


if __name__ == "__main__":
    main()
