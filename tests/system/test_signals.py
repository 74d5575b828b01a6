import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from tftransfer.system import signals
from tftransfer.system.signals import Terminated

ROOT = pathlib.Path(__file__).parents[2]


def test_sigterm_raises_and_the_handler_before_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), signals.raising():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_terminal_that_goes_away_is_told_from_a_machine_that_does():
    for number, code in ((signal.SIGHUP, 129), (signal.SIGTERM, 143)):
        with pytest.raises(Terminated) as ended, signals.raising():
            signal.raise_signal(number)
        assert (ended.value.exit_code, ended.value.name) == (code, signal.Signals(number).name)


@pytest.fixture
def heeded():
    """Ctrl-C as in a terminal: a shell starts background jobs with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGTERM, Terminated), (signal.SIGHUP, Terminated), (signal.SIGINT, KeyboardInterrupt)],
    ids=["term", "hup", "int"],
)
def test_a_signal_waits_until_it_is_acted_on(number, raised, heeded):
    done = []

    def work():
        with signals.deferred() as noted:
            noted.act()
            signal.raise_signal(number)
            done.append(noted.received)
            noted.act()
            done.append("never")

    with pytest.raises(raised):
        work()
    assert done == [number]


def test_a_signal_that_nobody_acted_on_is_raised_at_the_end():
    done = []

    def work():
        with signals.deferred():
            signal.raise_signal(signal.SIGTERM)
            done.append("all of it")

    with pytest.raises(Terminated):
        work()
    assert done == ["all of it"]


def test_the_second_signal_acts_at_once():
    def work():
        with signals.raising(), signals.deferred():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            pytest.fail("it should have ended")

    with pytest.raises(Terminated):
        work()


def test_the_second_signal_ends_a_process_without_handlers_of_its_own():
    code = (
        "import signal\nfrom tftransfer.system import signals\nwith signals.deferred():\n"
        "    signal.raise_signal(signal.SIGTERM)\n    print('goes on', flush=True)\n"
        "    signal.raise_signal(signal.SIGTERM)\n    print('never')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, "goes on\n")


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as shells start jobs in the background
    try:
        with signals.deferred() as noted:
            signal.raise_signal(signal.SIGINT)
            assert noted.received is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_set_no_handlers():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work():
        with signals.raising(), signals.deferred() as noted:
            seen.append((signal.getsignal(signal.SIGTERM), noted.received))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, None)]
