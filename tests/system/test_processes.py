import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

from tftransfer.system import processes

ROOT = pathlib.Path(__file__).parents[2]


def started(tmp_path, code, **options):
    return processes.start([sys.executable, "-c", code], tmp_path / "log", **options)


def test_a_process_finds_the_package_and_writes_its_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log").write_text("old")
    code = "import os, sys, tftransfer\nprint(os.environ['MORE'], sys.stdin.read())\nsys.exit('the end')"
    assert started(tmp_path, code, more={"MORE": "more"}).wait(60) == 1
    assert processes.last_lines(tmp_path / "log", 9) == ["more", "the end"]
    assert processes.reason(1, tmp_path / "log") == "the end"


def test_a_process_may_have_a_session_of_its_own(tmp_path):
    for own in (False, True):
        process = started(tmp_path, "import time\ntime.sleep(60)", own_session=own)
        assert (os.getsid(process.pid) == process.pid) == own
        processes.end([process], 10)


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


def is_alive(number):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_who_the_parent_is_is_not_handed_on(monkeypatch):
    monkeypatch.setenv("TFTRANSFER_PARENT", str(os.getppid()))
    processes.end_with_parent()
    assert "TFTRANSFER_PARENT" not in os.environ
    assert processes.environment()["TFTRANSFER_PARENT"] == str(os.getpid())
