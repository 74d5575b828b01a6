"""What a case's process does, in this one, with a tiny network."""

import dataclasses
import io
import json

from tftransfer.benchmarking import cases, worker
from tftransfer.experiment.config import Config

CONFIG = Config(width=0.1, batch_size=8, dataset="cifar10")


def answers(kind, frozen, turns, config=CONFIG):
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(Config)}
    lines = [json.dumps({"config": values, "kind": kind, "frozen": frozen}), *map(str, turns)]
    out = io.StringIO()
    worker.main(io.StringIO("\n".join(lines) + "\n"), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_group_is_built_and_trains_when_it_is_asked():
    ready, *turns = answers("lockstep", [["A", 2], ["B", 6]], [0.0, 0.0])
    assert ready["multiply_adds"] > 0
    assert ready["drawn"]
    assert ready["device"] == "one_device: CPU"
    assert len(turns) == 2
    for turn in turns:
        assert turn["seconds_per_step"] > 0
        assert 0 <= turn["waiting"] < 1
        assert turn["matmul"] > 0
        assert turn["peak_memory_mb"] > 50


def test_one_and_two_replicas_train_the_same_network():
    (result,) = answers(cases.REPLICAS, [], [])
    assert result["strategy"] == "mirrored: CPU x 2"
    assert result["difference"] < 1e-4
