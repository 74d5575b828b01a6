from tally import Tally


def test_counts_by_kind_and_in_all():
    tally = Tally()
    tally.fault("SIGKILL", survived=True, times=20)
    tally.fault("SIGKILL", survived=False)
    tally.fault("full disk", survived=True)
    tally.bad_input("wrong option", handled=True)
    rows = [line.split() for line in tally.lines()]
    assert rows[0][:4] == ["faults", "tried", "survived", "lost"]
    assert rows[1][:5] == ["SIGKILL", "21", "20", "1", "0"]
    assert rows[3][:5] == ["in", "all", "22", "21", "1"]
    assert rows[5][:5] == ["wrong", "option", "1", "1", "0"]


def test_nothing_to_say_without_reports():
    assert Tally().lines() == []
