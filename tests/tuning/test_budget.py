import dataclasses

import pytest
from fake_trials import trial

from tftransfer import tune
from tftransfer.tuning import budget
from tftransfer.tuning.study import FAILED


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("20m", 1200), ("2h", 7200), ("0.5m", 30)])
def test_time_budgets(text, seconds):
    assert budget.seconds_of(text) == seconds
    assert budget.expected(text) is None


@pytest.mark.parametrize("text", ["", "20", "m", "0m", "-5m", "5 m", "5d", "1e3s", "infh", "20m "])
def test_what_is_no_time_budget(text):
    with pytest.raises(ValueError, match="90s, 20m or 2h"):
        tune.TuneConfig(time_budget=text)


def test_pace_is_that_of_the_latest_trial_of_the_same_width_and_scaled_from_the_nearest_otherwise():
    slower = dataclasses.replace(trial(2, seconds=26.0, width=0.5), images_per_second=500.0)  # 16 of its 26 seconds
    measured = [trial(1, seconds=10.0), slower, trial(3, status=FAILED, seconds=1e6)]
    pace = budget.Pace(measured)
    assert pace.overhead_seconds == 2.0
    assert pace.seconds(0.25, 1000) == pytest.approx(2 + 1.1)
    assert pace.seconds(0.5, 1000) == pytest.approx(2 + 3.3)
    assert pace.seconds(1.0, 1000) == pytest.approx(2 + 4 * 3.3), "the work grows with the square of the width"
    assert pace.seconds(0.125, 1000) == pytest.approx(2 + 1.1 / 2), "and is not assumed to shrink with it"
    assert budget.Pace([*measured, trial(4, seconds=18.0)]).seconds(0.25, 1000) == pytest.approx(2 + 2.2)
    assert not budget.Pace([measured[2]]).known
