from tftransfer.benchmarking import cases
from tftransfer.experiment.config import Config
from tftransfer.scheduling import speeds


def test_a_base_a_frozen_network_and_a_group_are_measured():
    base, frozen, group = cases.chosen(Config(), 300.0, blocks=8)
    assert [case.kind for case in (base, frozen, group)] == list(speeds.KINDS)
    assert (base.text, frozen.text, group.text) == ("base", "frozen, n = 4", "lockstep of 14")
    assert group.frozen[:2] == (("A", 1), ("A", 2))


def test_a_short_time_has_every_other_depth_and_many_blocks_have_seven():
    assert cases.chosen(Config(), 60.0, blocks=8)[-1].frozen == tuple((half, n) for half in "AB" for n in (2, 4, 6))
    depths = [n for _, n in cases.chosen(Config(), 300.0, blocks=60)[-1].frozen]
    assert len(depths) <= 14
    assert max(depths) > 40


def test_loss_scaling_has_no_group():
    kinds = [case.kind for case in cases.chosen(Config(precision="mixed_float16"), 300.0)]
    assert kinds == [speeds.BASE, speeds.FROZEN]
