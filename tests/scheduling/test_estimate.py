"""Hours and disk of a sweep, from speeds that were measured here."""

import pytest

import fake_study
from tftransfer.models import alexnet_tables
from tftransfer.scheduling import speeds
from tftransfer.scheduling.estimate import estimate

PER_CLASS = [20] * fake_study.CLASSES


@pytest.fixture
def cells(tmp_path):
    def made(*labels, **options):
        options |= {"cache_dir": str(tmp_path), "steps": 100}
        return [
            fake_study.cell(label.rstrip("AB") if label.startswith("base") else label, target=label[-1:], **options)
            if label.startswith("base")
            else fake_study.cell(label, **options)
            for label in labels
        ]

    return made


@pytest.fixture
def measured(cells):
    config = cells("baseA")[0].config
    speeds.remember(config, speeds.BASE, 0.5, start_seconds=6.0)
    speeds.remember(config, speeds.FROZEN, 0.25, start_seconds=4.0)
    speeds.remember(config, speeds.LOCKSTEP, 0.6, networks=4)


def hours(cells, workers=1):
    return estimate(cells, PER_CLASS, workers).hours


def test_nothing_measured_is_no_estimate_of_time(cells):
    cost = estimate(cells("baseA"), PER_CLASS, 1)
    assert (cost.hours, cost.upper) == (None, False)
    assert cost.disk_bytes > 0


def test_a_group_takes_its_steps_and_its_start_and_workers_share_the_groups(cells, measured):
    base = (100 * 0.5 + 6) / 3600
    assert hours(cells("baseA")) == pytest.approx(base)
    assert hours(cells("baseA", "baseB")) == pytest.approx(2 * base)
    assert hours(cells("baseA", "baseB"), workers=2) == pytest.approx(base)
    assert hours(cells("A4B+")) == pytest.approx(base), "every block trains"


def test_frozen_networks_take_less_and_in_lockstep_least(cells, measured):
    assert hours(cells("A4B")) == pytest.approx((100 * 0.25 + 6) / 3600)
    together = hours(cells("A4B", "B4B", "B2B"))
    assert together == pytest.approx((100 * 3 * 0.6 / 4 + 6) / 3600)


def test_without_the_speed_of_frozen_networks_the_time_is_an_upper_bound(cells):
    speeds.remember(cells("baseA")[0].config, speeds.BASE, 0.5)
    assert not estimate(cells("baseA"), PER_CLASS, 1).upper
    cost = estimate(cells("A4B", "B4B"), PER_CLASS, 1)
    assert cost.upper
    assert cost.hours == pytest.approx(2 * 100 * 0.5 / 3600)


def test_weights_of_bases_are_kept_and_of_others_where_asked_for(cells):
    def disk(*labels, **options):
        return estimate(cells(*labels, **options), PER_CLASS, 1).disk_bytes

    weights = 4 * alexnet_tables.parameters(cells("baseB")[0].config.architecture, fake_study.CLASSES // 2)
    record = disk("A4B")
    assert 0 < record < weights / 10
    assert disk("baseB") == record + weights
    assert disk("baseB", "A4B", "B4B") == 3 * record + weights
    assert disk("A4B", keep_weights=True) == record + weights
