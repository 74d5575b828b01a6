"""What training in lockstep saves: 14 frozen networks (AnB and BnB, n = 1 to 7) in one group, or one by one.

    python tests/benchmarks/lockstep_speed.py [--part=steps,whole,torch,peak,ablation] [--repetitions=7]
        [--data_dir=FOLDER --cache_dir=FOLDER] [--torch_python=PATH]

steps     Seconds of a training step: the group, the sum of the 14 alone, one base; motifs' size (32 px) and 64 px.
          Goals: at most 1/3 of one by one and 3 bases at 32 px, at least 2 times as fast as one by one at 64 px.
whole     The same with all that a network costs: `sweep` for the 14, `run` for each of them, from start to record.
          `--steps` says how many steps (motifs' default is 744).
torch     A straightforward PyTorch loop over the 14 networks, eager, its faster layout, same batches. Goal: 3 times.
peak      Share of the float32 matrix products' rate that base and group reach. Goals: 70 % at half, 45 % at quarter
          width.
ablation  Where a base's step goes: its time without one kind of work at a time.

Cases take turns, so that a disturbance of the machine meets all of them; printed are medians and, for steps, the
fastest turns, the nearest to an idle machine. 64 px takes Tiny ImageNet from --data_dir, or drawn images without it.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

PARTS = ("steps", "whole", "torch", "peak", "ablation")
DEPTHS = range(1, 8)
LOCKSTEP = [(letter, n) for letter in "AB" for n in DEPTHS]
LIMIT_SECONDS = 1800.0


def config_of(side: int, options: argparse.Namespace, **changes):
    """Returns the recipe of a case: motifs' default at 32 px, half width and batch 128 at 64 px."""
    from tftransfer.experiment.config import Config

    values = {"cache_dir": options.cache_dir}
    if side == 64:
        values |= {"width": 0.5, "batch_size": 128, "image_size": 64, "dataset": "cifar10"}
        if options.data_dir:
            values |= {"dataset": "tiny_imagenet", "data_dir": options.data_dir}
    return Config(**{**values, **changes})


def started(config, kind: str, frozen: list[tuple[str, int]]):
    """Returns a process that trains a group when it is asked, once it is ready, and what it says of itself."""
    from tftransfer.benchmarking.process import Worker

    worker = Worker(config, kind, frozen)
    return worker, worker.answer(LIMIT_SECONDS)


def in_turn(workers: dict, repetitions: int, seconds: float) -> dict[str, list[dict]]:
    """Returns each case's turns; every other round goes the other way about."""
    turns = {name: [] for name in workers}
    for number in range(repetitions):
        for name in list(workers)[:: 1 if number % 2 else -1]:
            turns[name].append(workers[name].ask(seconds, LIMIT_SECONDS))
    return turns


def times(turns: list[dict]) -> list[float]:
    """Returns the seconds of a step in each turn."""
    return [turn["seconds_per_step"] for turn in turns]


def steps(side: int, options: argparse.Namespace, torch: bool) -> None:
    """Prints the time of a step together, one by one, of a base, and of PyTorch."""
    config = config_of(side, options)
    groups = {"base": ("base", [("", 0)]), "lockstep": ("lockstep", LOCKSTEP)}
    # Networks with equally many frozen blocks do equal work, whatever their source.
    groups |= {f"alone {n}": ("frozen", [("A", n)]) for n in DEPTHS}
    pairs = {name: started(config, *group) for name, group in groups.items()}
    workers = {name: worker for name, (worker, _) in pairs.items()}
    work = {name: ready["multiply_adds"] for name, (_, ready) in pairs.items()}
    one_by_one = 2 * sum(work[f"alone {n}"] for n in DEPTHS)
    print(
        f"{side} px, arithmetic     lockstep {work['lockstep'] / work['base']:.2f} bases, "
        f"{work['lockstep'] / one_by_one:.2f} of one by one; "
        f"{2 * work['lockstep'] * config.batch_size / 1e9:.0f} GFLOP a step",
        flush=True,
    )
    if torch:
        for layout in ("contiguous_format", "channels_last"):
            workers[f"PyTorch {layout}"] = TorchLoop(options.torch_python, config, layout)
    try:
        turns = in_turn(workers, options.repetitions, options.seconds)
    finally:
        for worker in workers.values():
            worker.close()
    for label, pick in (("median turns", statistics.median), ("fastest turns", min)):
        found = {name: pick(times(of)) for name, of in turns.items()}
        alone = 2 * sum(found[f"alone {n}"] for n in DEPTHS)
        together, base = found["lockstep"], found["base"]
        line = f"lockstep {1000 * together:.0f} ms, one by one {1000 * alone:.0f} ms, base {1000 * base:.0f} ms: "
        line += f"{together / alone:.2f} of one by one ({alone / together:.1f} x), {together / base:.1f} bases"
        loops = [seconds for name, seconds in found.items() if name.startswith("PyTorch")]
        if loops:
            line += f"; PyTorch loop {1000 * min(loops):.0f} ms: {min(loops) / together:.1f} x"
        print(f"{side} px, {label:14} {line}", flush=True)


class TorchLoop:
    """The 14 networks one after another in a PyTorch process, on each batch."""

    def __init__(self, python: str, config, layout: str) -> None:
        from step_speed import described

        from tftransfer.training import trainer

        layers = described(trainer.build_model(config, 100))
        task = {"layers": layers, "layout": layout, "side": config.input_size, "batch": config.batch_size}
        self.process = subprocess.Popen(
            [python, __file__, "--torch_worker", json.dumps(task)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self.process.stdout.readline()

    def ask(self, seconds: float, limit_seconds: float) -> dict:
        """Trains for about `seconds`; returns the seconds of a step of all 14."""
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return {"seconds_per_step": float(self.process.stdout.readline())}

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def torch_worker(task: dict) -> None:
    """Trains 14 networks whose first n blocks are frozen, in a loop; prints seconds a step for each line of input."""
    import torch
    from torch import nn

    def translated(row):
        kind, inputs, outputs = row["kind"], row["inputs"], row["outputs"]
        if kind in ("Conv2D", "GroupedConv2D"):
            size = row["kernel_size"][0]
            padding = size // 2 if row["padding"] == "same" else 0
            return nn.Conv2d(inputs, outputs, size, row["strides"][0], padding, groups=row["groups"])
        return {
            "Dense": lambda: nn.Linear(inputs, outputs),
            "ReplicaDropout": lambda: nn.Dropout(row["rate"]),
            "ReLU": lambda: nn.ReLU(inplace=True),
            "MaxPooling2D": lambda: nn.MaxPool2d(3, 2),
            "LocalResponseNormalization": lambda: nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0),
            "Flatten": nn.Flatten,
        }[kind]()

    torch.manual_seed(0)
    layout = getattr(torch, task["layout"])
    networks = []
    for n in [*DEPTHS, *DEPTHS]:
        net = nn.Sequential(*map(translated, task["layers"])).to(memory_format=layout)
        weighted = [layer for layer in net if isinstance(layer, (nn.Conv2d, nn.Linear))]
        for layer in weighted[:n]:
            layer.requires_grad_(False)
        trained = [weight for weight in net.parameters() if weight.requires_grad]
        networks.append((net, torch.optim.SGD(trained, 1e-3, momentum=0.9, weight_decay=5e-4)))
    x = torch.randn(task["batch"], 3, task["side"], task["side"]).to(memory_format=layout)
    y = torch.randint(0, 100, (task["batch"],))

    def step():
        for net, optimizer in networks:
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()

    step()
    print("ready", flush=True)
    for line in sys.stdin:
        done, start = 0, time.perf_counter()
        while not done or time.perf_counter() - start < float(line):
            step()
            done += 1
        print((time.perf_counter() - start) / done, flush=True)


def whole(options: argparse.Namespace) -> None:
    """Prints what 14 networks cost together and one by one with the commands themselves, from start to records."""

    def seconds(runs: pathlib.Path, module: str, *words: str) -> float:
        common = [f"--steps={options.steps}", f"--cache_dir={options.cache_dir}", f"--runs_dir={runs}"]
        started_at = time.perf_counter()
        command = [sys.executable, "-m", f"tftransfer.{module}", *words, *common]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - started_at

    together, alone, bases = [], [], []
    for _ in range(options.whole_repetitions):
        with tempfile.TemporaryDirectory() as folder:
            one, other = pathlib.Path(folder, "sweep"), pathlib.Path(folder, "run")
            bases += [seconds(one, "run", "--treatment=base", f"--target={half}") for half in "AB"]
            shutil.copytree(one, other)
            together.append(seconds(one, "sweep", "--treatments=AnB,BnB", "--n=1-7", "--targets=B"))
            alone.append(
                sum(seconds(other, "run", f"--treatment={kind}", f"--n={n}") for kind in ("AnB", "BnB") for n in DEPTHS)
            )
    group, single, base = (statistics.median(of) for of in (together, alone, bases))
    print(
        f"whole trainings of {options.steps} steps: lockstep {group:.0f} s, one by one {single:.0f} s, base "
        f"{base:.0f} s: {group / single:.2f} of one by one, {group / base:.1f} bases",
        flush=True,
    )


def peak(options: argparse.Namespace) -> None:
    """Prints the share of the matrix products' rate that steps reach, at two widths."""
    for width in (0.5, 0.25):
        config = config_of(32, options, width=width, batch_size=128)
        pairs = {"base": started(config, "base", [("", 0)]), "lockstep": started(config, "lockstep", LOCKSTEP)}
        try:
            turns = in_turn({name: worker for name, (worker, _) in pairs.items()}, options.repetitions, options.seconds)
        finally:
            for worker, _ in pairs.values():
                worker.close()
        for name, of in turns.items():
            needed = pairs[name][1]["multiply_adds"] * config.batch_size
            shares = [needed / turn["seconds_per_step"] / turn["matmul"] for turn in of]
            rates = [2 * turn["matmul"] / 1e9 for turn in of]
            print(
                f"32 px, width {width:g}, batch 128: {name} reaches {100 * statistics.median(shares):.0f} % "
                f"({100 * min(shares):.0f} to {100 * max(shares):.0f}) of matrix products at "
                f"{statistics.median(rates):.0f} GFLOP/s, {1000 * statistics.median(times(of)):.0f} ms a step, waiting "
                f"{100 * statistics.median(turn['waiting'] for turn in of):.1f} %",
                flush=True,
            )


def ablation(options: argparse.Namespace) -> None:
    """Prints what a base's step takes without one kind of work at a time; the rest is its own."""
    import keras
    import tensorflow as tf

    from tftransfer.models import LocalResponseNormalization, ReplicaDropout
    from tftransfer.training import trainer
    from tftransfer.training.optimizers import CaffeSGD

    class Nothing(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    def model_without(kind):
        def clone(layer):
            return Nothing(name=layer.name) if kind and isinstance(layer, kind) else type(layer).from_config(
                layer.get_config()
            )  # fmt: skip

        return keras.models.clone_model(trainer.build_model(config, 100), clone_function=clone)

    for width in (0.5, 0.25):
        config = config_of(32, options, width=width, batch_size=128)
        x = tf.random.stateless_normal((128, 32, 32, 3), (0, 0))
        y = tf.random.stateless_uniform((128,), (0, 1), maxval=100, dtype=tf.int32)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        def stepper(model, update=True, backward=True, x=x, y=y, loss=loss):
            optimizer = CaffeSGD(1e-3, l2=5e-4)
            optimizer.build(model.trainable_variables)
            variables = [variable.value for variable in model.trainable_variables]

            @tf.function
            def trained():
                with tf.GradientTape() as tape:
                    value = loss(y, model(x, training=True))
                if not backward:
                    return value
                gradients = tape.gradient(value, variables)
                if update:
                    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
                    return value
                return tf.add_n([tf.reduce_max(gradient) for gradient in gradients])

            return trained

        cases = {
            "all": stepper(model_without(None)),
            "without normalisation": stepper(model_without(LocalResponseNormalization)),
            "without dropout": stepper(model_without(ReplicaDropout)),
            "without rectifiers": stepper(model_without(keras.layers.ReLU)),
            "without steps": stepper(model_without(None), update=False),
            "forward only": stepper(model_without(None), backward=False),
        }
        taken = {name: [] for name in cases}
        for step in cases.values():
            step()
        for _ in range(options.repetitions):
            for name, step in cases.items():
                start = time.perf_counter()
                for _ in range(4):
                    result = step()
                result.numpy()
                taken[name].append((time.perf_counter() - start) / 4)
        everything = statistics.median(taken["all"])
        for name, of in taken.items():
            ratio = statistics.median(one / other for one, other in zip(of, taken["all"], strict=True))
            print(f"32 px, width {width:g}: {name:24}{1000 * statistics.median(of):7.0f} ms  {100 * ratio:5.0f} %")
        print(f"32 px, width {width:g}: a step takes {1000 * everything:.0f} ms", flush=True)


def main() -> None:
    """Measures the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="steps,peak", help=f"comma-separated: {', '.join(PARTS)}")
    parser.add_argument("--sides", default="32,64", help="for steps and torch: sides of the images in pixels")
    parser.add_argument("--repetitions", type=int, default=7, help="turns of each case")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn")
    parser.add_argument("--steps", type=int, default=744, help="steps of whole trainings")
    parser.add_argument("--whole_repetitions", type=int, default=1, help="times that whole trainings are measured")
    parser.add_argument("--data_dir", default="", help="Tiny ImageNet, unpacked, for 64 px")
    parser.add_argument("--cache_dir", default="", help="prepared images; drawn ones where there are none")
    parser.add_argument("--torch_python", default=sys.executable, help="interpreter that can import torch")
    parser.add_argument("--torch_worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch_worker:
        torch_worker(json.loads(options.torch_worker))
        return
    parts = options.part.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    torch = "torch" in parts
    if torch and subprocess.run([options.torch_python, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode:
        print(f"PyTorch skipped: {options.torch_python} cannot import torch")
        torch = False

    def load() -> str:
        return ", ".join(f"{value:.1f}" for value in os.getloadavg())

    print(f"{os.cpu_count()} cores, load {load()}; {options.repetitions} turns", flush=True)
    if "steps" in parts or torch:
        for side in map(int, options.sides.split(",")):
            steps(side, options, torch)
    if "whole" in parts:
        whole(options)
    if "peak" in parts:
        peak(options)
    if "ablation" in parts:
        ablation(options)
    print(f"load {load()} at the end")


if __name__ == "__main__":
    main()
