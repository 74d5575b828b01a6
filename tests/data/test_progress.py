"""Messages to users while images are prepared."""

from tftransfer.data import progress


def test_the_time_left_is_told_once_it_is_known(capsys):
    times = iter([0.0, 0.0, 1.0, 60.0, 120.0, 240.0])
    last = [0.0]

    def clock():
        last[0] = next(times, last[0])
        return last[0]

    show = progress.printer("folder", clock)
    for done in (0, 6_000, 12_000, 24_000, 60_000):
        show(done, 60_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "preparing folder: 0 of 60000 images",
        "preparing folder: 6000 of 60000 images",
        "preparing folder: 12000 of 60000 images, about 4 min left",
        "preparing folder: 24000 of 60000 images, about 3 min left",
        "preparing folder: 60000 of 60000 images",
    ]


def test_what_was_there_before_does_not_count_for_the_speed(capsys):
    times = iter([0.0, 0.0, 10.0])
    show = progress.printer("folder", lambda: next(times))
    show(50_000, 60_000)
    show(54_000, 60_000)
    assert capsys.readouterr().err.splitlines()[-1] == "preparing folder: 54000 of 60000 images, about 15 s left"


def test_in_a_terminal_a_shorter_line_covers_a_longer_one(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    times = iter([0.0, 0.0, 10.0, 20.0])
    show = progress.printer("folder", lambda: next(times))
    for done in (10, 20, 40):
        show(done, 40)
    first, second, third, fourth = capsys.readouterr().err.split("\r")
    assert first == ""
    assert second.strip() == "preparing folder: 10 of 40 images"
    assert third.strip() == "preparing folder: 20 of 40 images, about 20 s left"
    assert fourth.endswith("\n")
    assert len(fourth.rstrip("\n")) >= len(third.strip())
