import os
import subprocess
import sys
import time

from tftransfer import processes


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
