"""A limit on address space is reported before anything is loaded that would end without a message."""

import math
import resource

import pytest

from tftransfer.cli import command_line
from tftransfer.system import limits


def limited(monkeypatch, limit):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))


def test_too_small_a_limit_is_refused_in_one_line(monkeypatch, capsys):
    limited(monkeypatch, 2_000_000_000)

    def command(argv):
        with command_line.suppress_stderr():
            pytest.fail("nothing is loaded")

    with pytest.raises(SystemExit) as ended:
        command_line.main(command, ["run"])
    assert ended.value.code == command_line.EXIT_FAILED
    output = capsys.readouterr().err
    assert output.startswith("python -m tftransfer.run: out of memory. This process may use 2.0 GB of addresses")
    assert output.count("\n") == 1


def test_without_a_limit_nothing_is_refused(monkeypatch):
    limited(monkeypatch, resource.RLIM_INFINITY)
    limits.require_address_space()
    assert limits.address_space_left() == math.inf


def test_what_is_left_is_less_than_the_limit(monkeypatch):
    limited(monkeypatch, 10**15)
    assert 0.99 * 10**15 < limits.address_space_left() < 10**15
    limited(monkeypatch, 10)
    assert limits.address_space_left() == 0
