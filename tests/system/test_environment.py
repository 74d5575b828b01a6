"""What decides the last bits of a training is named, and nothing else of the machine."""

import os

import pytest

from tftransfer.system import environment


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in (*environment._THREADS.values(), *environment._SETTINGS):
        monkeypatch.delenv(name, raising=False)


def test_threads_are_those_that_tensorflow_starts(monkeypatch):
    """By the environment, as `--workers` sets it, and else by the processors that this process may use."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 5}, raising=False)
    assert environment.threads() == {"intra_op": 3, "inter_op": 3}
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    assert environment.threads() == {"intra_op": 1, "inter_op": 3}
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "2")
    assert environment.threads() == {"intra_op": 1, "inter_op": 2}


@pytest.mark.parametrize("text", ["", "0", "many"])
def test_what_tensorflow_takes_for_no_number_of_threads_is_none(text, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", text)
    assert environment.threads()["intra_op"] == environment.usable_cores()


def test_settings_that_change_the_arithmetic_are_named_without_paths(monkeypatch):
    assert environment.settings() == {}
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/home/me --xla_cpu_fast_math=true")
    monkeypatch.setenv("SECRET", "x")
    assert environment.settings() == {"TF_ENABLE_ONEDNN_OPTS": "0", "XLA_FLAGS": "--xla_cpu_fast_math=true"}


def test_processors_are_told_apart_by_their_instructions(monkeypatch):
    monkeypatch.setattr(
        environment, "_cpuinfo", lambda: ["model name : X", "flags\t: fpu sse4_1 avx512f avx2 smep fma"]
    )
    assert environment.instructions() == "avx2 avx512f fma sse4_1"
    monkeypatch.setattr(environment, "_cpuinfo", list)
    assert environment.instructions() == ""
