import pytest

import small_models
from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.models.blocks import blocks, possible_ends
from tftransfer.models.costs import table


def shape(model, **options):
    return Config(model=model, image_size=options.pop("image_size", 32), **options)


def test_multiply_adds_are_those_that_are_published():
    """VGG16: 15.5 and ResNet50: 3.9 billion at 224 pixels (He et al. 2016, tables 1 and 6 of their counts)."""
    for model, billions, parameters in (("VGG16", 15.47, 138_357_544), ("ResNet50", 3.86, 25_636_712)):
        costs = architectures.block_costs(shape(model, image_size=224).architecture, classes=1000)
        assert sum(cost.multiply_adds for cost in costs) / 1e9 == pytest.approx(billions, abs=0.01)
        assert sum(cost.parameters for cost in costs) == parameters


def test_costs_of_our_own_network_and_of_a_nested_one():
    costs = architectures.block_costs(
        Config(width=1.0, image_size=227, dataset="imagenet2012").architecture, classes=1000
    )
    assert [cost.name for cost in costs] == list(architectures.block_names(Config().architecture))
    assert costs[0].multiply_adds == 55 * 55 * 11 * 11 * 3 * 96
    assert costs[-1].parameters == 4097 * 1000
    inner = architectures.block_costs(shape("small_models:nested").architecture, classes=3)[1]
    assert inner.multiply_adds == 7 * 7 * 3 * 3 * 4 * 6
    assert inner.parameters == 3 * 3 * 4 * 6 + 6 + 4 * 6
    assert inner.output_shape == (6,), "pooling goes with the layers before it"


def test_costs_of_a_chain_in_the_place_of_a_layer():
    stem, *_ = architectures.block_costs(shape("small_models:nested_chain").architecture, classes=3)
    assert stem.multiply_adds == 15 * 15 * 3 * 3 * 3 * 4
    assert stem.parameters == 3 * 3 * 3 * 4 + 4 + 2 * 4


def test_the_table_has_a_row_for_each_block_and_marks_where_they_end():
    model = small_models.chain((32, 32, 3), 3)
    heading, *rows = table(blocks(model), possible_ends(model)).splitlines()
    assert heading.split() == ["n", "block", "parameters", "multiply-adds", "output", "ends", "after"]
    assert rows[0].split() == ["1", "one", "112", "24,300", "15", "x", "15", "x", "4", "one"]
    assert rows[2].split() == ["logits", "591", "588", "3", "the", "head,", "always", "new"]
    assert rows[-3:] == ["  one *", "  two", "  flat *"]
