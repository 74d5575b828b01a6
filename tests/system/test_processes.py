import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tftransfer.system import caller, processes

ROOT = pathlib.Path(__file__).parents[2]


def started(tmp_path, code, **options):
    return processes.start([sys.executable, "-c", code], tmp_path / "log", **options)


def test_a_process_finds_the_package_and_writes_its_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log").write_text("old")
    code = "import os, sys, tftransfer\nprint(os.environ['MORE'], sys.stdin.read())\nsys.exit('the end')"
    assert started(tmp_path, code, extra_env={"MORE": "more"}).wait(60) == 1
    assert processes.last_lines(tmp_path / "log", 9) == ["more", "the end"]
    assert processes.reason(1, tmp_path / "log") == "the end"


def test_a_process_may_have_a_session_of_its_own(tmp_path):
    for own in (False, True):
        process = started(tmp_path, "import time\ntime.sleep(60)", own_session=own)
        assert (os.getsid(process.pid) == process.pid) == own
        processes.end([process], 10)


def test_a_process_with_a_log_does_not_speak_to_the_users_program(tmp_path, monkeypatch):
    monkeypatch.setenv(caller.CHANNEL, str(tmp_path / "messages"))
    speaks = "from tftransfer.system import caller; caller.progress(0.5, 'half')"
    assert started(tmp_path, speaks).wait(60) == 0
    assert not (tmp_path / "messages").exists()
    words = [sys.executable, "-c", speaks]
    with processes.start(words, None, piped=True) as process:
        assert process.stdout.read() == b""
    assert "half" in (tmp_path / "messages").read_text()


def test_processes_get_one_time_together_to_save_what_they_have(tmp_path):
    stubborn = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(flush=True)\ntime.sleep(60)"
    words = [sys.executable, "-c", stubborn]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(2)]
    for process in running:
        process.stdout.read(1)
    begun = time.monotonic()
    processes.end([*running, started(tmp_path, "pass")], 1)
    assert 1 <= time.monotonic() - begun < 10
    assert [process.returncode for process in running] == [-9, -9]
    for process in running:
        process.stdout.close()


ORPHAN = """
import os, signal, sys, pathlib
from tftransfer.system import processes

words, log = processes.words("slow_module", "an", "argument"), pathlib.Path(sys.argv[1])
process = processes.start(words, log, own_session=True)
print(process.pid, flush=True)
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
print(process.wait(), flush=True)
"""
SLOW = """
import pathlib, sys, time
time.sleep(3)  # loads TensorFlow
pathlib.Path(__file__).with_name("trained").write_text(f"{__name__} {sys.argv[1:]}")
"""


def parent_of_a_slow_module(folder, monkeypatch, how):
    (folder / "slow_module.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(folder)]))
    words = [sys.executable, "-c", ORPHAN, str(folder / "log"), how]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_a_process_ends_with_its_parent_from_its_first_instruction_on(tmp_path, monkeypatch):
    done = parent_of_a_slow_module(tmp_path, monkeypatch, "killed")
    assert done.returncode == -signal.SIGKILL, done
    deadline = time.monotonic() + 60
    while is_alive(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not (tmp_path / "trained").exists()


def test_a_module_runs_as_by_itself(tmp_path, monkeypatch):
    done = parent_of_a_slow_module(tmp_path, monkeypatch, "waits")
    assert done.stdout.split()[1:] == ["0"], done
    assert (tmp_path / "trained").read_text() == "__main__ ['an', 'argument']"


ANSWERS = """
import json, pathlib, sys, time
request, answer = map(pathlib.Path, sys.argv[1:])
content = json.loads(request.read_text())
print("asked for", content["square_of"], flush=True)
time.sleep(content.get("seconds", 0))
if content["square_of"] < 0:
    sys.exit("it is negative")
if content["square_of"]:
    answer.write_text(json.dumps(content["square_of"] ** 2))
"""


@pytest.fixture
def ask(tmp_path, monkeypatch):
    (tmp_path / "squares.py").write_text(ANSWERS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(tmp_path)]))

    def ask(number, seconds=0, **options):
        return processes.ask("squares", {"square_of": number, "seconds": seconds}, tmp_path, **options)

    return ask


def test_a_module_is_asked_one_thing_and_answers(ask, tmp_path):
    assert ask(3) == processes.Answer(9, 0)
    assert json.loads((tmp_path / processes.REQUEST).read_text()) == {"square_of": 3, "seconds": 0}
    assert processes.last_lines(tmp_path / processes.LOG, 9) == ["asked for 3"]
    assert ask(-3) == processes.Answer(None, 1, "it is negative"), "no earlier answer is taken for this one"
    assert ask(0) == processes.Answer(None, 0, "asked for 0"), "it ended without an answer"


def test_output_may_be_shown_in_place_of_a_log(ask, tmp_path, capfd):
    assert ask(2, shown=True) == processes.Answer(4, 0)
    assert ask(-2, shown=True) == processes.Answer(None, 1), "it has said why"
    output = capfd.readouterr()
    assert (output.out, output.err) == ("asked for 2\nasked for -2\n", "it is negative\n")
    assert not (tmp_path / processes.LOG).exists()


def test_who_is_asked_is_ended_at_the_limit(ask):
    begun = time.monotonic()
    assert ask(2, seconds=60, limit_seconds=0.5) == processes.Answer(None, None, "ended after 0.5 seconds, its limit")
    assert time.monotonic() - begun < 30


def test_who_is_asked_ends_with_an_interruption(ask, monkeypatch):
    started, wait = [], subprocess.Popen.wait

    def interrupted(process, timeout=None):
        if process in started:
            return wait(process, timeout)
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(2, seconds=60)
    assert [process.returncode for process in started] == [-signal.SIGTERM]


def is_alive(number):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_who_the_parent_is_is_not_handed_on(monkeypatch):
    monkeypatch.setenv("TFTRANSFER_PARENT", str(os.getppid()))
    processes.end_with_parent()
    assert "TFTRANSFER_PARENT" not in os.environ
    assert processes.environment()["TFTRANSFER_PARENT"] == str(os.getpid())
