"""How long a checkpoint takes, and which share of training: a base of the demo recipe, and 14 frozen networks.

    python tests/benchmarks/checkpoint_cost.py [--folder=FOLDER_ON_THE_DISK_TO_MEASURE]

Printed are the bytes of a checkpoint, the median and longest of ten saves, one restore (reading and SHA-256), and
the share of the time that `--checkpoint_minutes=auto` then spends on saving.
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SAVES = 10


def measured(name, networks, folder):
    from tftransfer.experiment.config import Config
    from tftransfer.training import checkpoints, compilation, snapshots, trainer, untrained_sources
    from tftransfer.training.group import Group

    config = Config(steps=744)
    template = trainer.build_model(config, 20)
    sources = {key: untrained_sources.random_weights(config, "random0", key) for key in "AB"}
    group = Group(template, networks, sources, 0, "B")
    compilation.compile_group(group, config, 4000, 20)
    group.model.optimizer.build(group.model.trainable_variables)
    kept = checkpoints.Checkpoints(folder, say=lambda line: None)
    kept.restore({})
    seconds = []
    for step in range(SAVES):
        started = time.perf_counter()
        kept.save(step, snapshots.take(group.model), {"training_history": {}})
        seconds.append(time.perf_counter() - started)
    started = time.perf_counter()
    kept.restore({})
    restore = time.perf_counter() - started
    size = max(path.stat().st_size for path in folder.glob("*.npz"))
    kept.clear()
    save = statistics.median(seconds)
    between = max(checkpoints._SHORTEST_SECONDS, checkpoints._SAVES_IN_ALL * save)
    print(
        f"{name:<36}{size / 1e6:>8.1f} MB  save {1000 * save:.0f} ms (longest {1000 * max(seconds):.0f}), restore "
        f"{1000 * restore:.0f} ms, every {between:.0f} s: {100 * save / (between + save):.2f} % of the time",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default=None)
    folder = parser.parse_args().folder
    from tftransfer.training.group import Network

    frozen = [Network(f"{source}{n}B", source, f"k{n}") for source in "AB" for n in range(1, 8)]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        measured("base, quarter width, 32 px", [Network("base")], pathlib.Path(place) / "base")
        measured("14 frozen networks, quarter width", frozen, pathlib.Path(place) / "frozen")


if __name__ == "__main__":
    main()
