import dataclasses

import pytest
from fake_trials import IMAGES

from tftransfer.experiment.config import Config
from tftransfer.tuning import space


def test_the_space_lies_around_the_start_which_belongs_to_it():
    for start in (
        Config(epochs=12.0),
        Config(optimizer="adamw", learning_rate=1e-3, weight_decay=0.0, width=0.37, epochs=3.0, dropout=0.1),
    ):
        same, choices = space.around(start, {})
        assert same == start
        assert tuple(choices) == space.TUNED
        for field, values in choices.items():
            assert getattr(start, field) in values
            assert len({type(v) for v in values}) == 1
            assert len(values) == len(set(values)) > 2
            for value in values:
                dataclasses.replace(start, **{field: value})


def test_lists_take_the_place_of_our_values():
    start, choices = space.around(
        Config(epochs=12.0), {"widths": "0.5,0.25", "learning_rates": "0.1,0.2", "weight_decays": ""}
    )
    assert choices["width"] == (0.25, 0.5)
    assert start.width == 0.25
    assert choices["learning_rate"] == (0.1, 0.2)
    assert start.learning_rate == 0.1, "nothing outside of the lists is tried"
    assert len(choices["weight_decay"]) > 2


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"widths": "wide"}, "Bad --widths. Expected numbers.*'wide'"),
        ({"widths": "0.25,,0.5"}, "Bad --widths"),
        ({"batch_sizes": "32.5"}, "whole numbers"),
        ({"dropouts": "1.5"}, "Bad --dropout "),
        ({"initializers": "he_normel"}, "id you mean he_normal"),
    ],
)
def test_bad_lists(lists, message):
    with pytest.raises(ValueError, match=message):
        space.around(Config(epochs=12.0), lists)


def test_lengths_are_in_epochs():
    with pytest.raises(ValueError, match="--steps=5"):
        space.around(Config(steps=5), {})


def test_batches_divide_by_the_replicas_and_fit_the_images():
    start, choices = space.around(Config(epochs=12.0, batch_size=6, strategy="mirrored", replicas=2), {})
    assert choices["batch_size"] == (6, 12)  # not 3
    assert space.fitting(choices, 11)["batch_size"] == (6,)
    assert start.batch_size == 6


def test_a_recipe_keeps_the_shares_of_warm_up_and_drops():
    start = Config(epochs=10.0, warmup_steps=100, schedule="step", drop_epochs=4.0, batch_size=50)
    assert space.recipe(start, space.tuned(start), IMAGES) == start
    shorter = space.recipe(start, {"epochs": 5.0, "learning_rate": 0.5}, IMAGES)
    assert (shorter.warmup_steps, shorter.drop_epochs, shorter.learning_rate) == (50, 2.0, 0.5)
    small = space.recipe(start, {"batch_size": 25}, IMAGES)
    assert (small.warmup_steps, small.drop_epochs) == (200, 4.0)
    in_steps = dataclasses.replace(start, drop_steps=60, drop_epochs=0.0)
    assert space.recipe(in_steps, {"epochs": 5.0}, IMAGES).drop_steps == 30
