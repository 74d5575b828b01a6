import keras
import pytest
from keras.src.backend.common import global_state

import small_models
from tftransfer.models import sizes


def wide(filters, layers=2):
    """Returns what makes a model of so many filters."""

    def make():
        inputs = keras.Input((32, 32, 3))
        x = inputs
        for _ in range(layers):
            x = keras.layers.Conv2D(filters, 3, kernel_initializer="orthogonal")(x)
            x = keras.layers.BatchNormalization()(x)
            x = keras.layers.Dropout(0.5)(x)
        return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))

    return make


def test_ten_million_filters_are_refused_with_the_count_and_no_weight_is_made(monkeypatch):
    def draw(*_, **__):
        raise AssertionError

    before = global_state.get_global_attribute("uninitialized_variables")
    with pytest.raises(ValueError, match=r"net has 900,000,\d\d\d,\d\d\d,\d\d\d parameters|900,000,4"):
        sizes.check_before_building(wide(10**7), "net")
    assert global_state.get_global_attribute("uninitialized_variables") is before, "Keras will not draw them later"
    keras.layers.Dense(3).build((None, 2))  # nor now


def test_orthogonal_weights_that_would_take_hours_are_refused_by_name():
    """A kernel of 3 * 3 * 2,000 * 20,000 is no more than 360 million parameters."""

    def make():
        inputs = keras.Input((8, 8, 2000))
        return keras.Model(inputs, keras.layers.Conv2D(20_000, 3, kernel_initializer="orthogonal", name="slow")(inputs))

    with pytest.raises(ValueError, match=r"Orthogonal initializer .* slow/kernel .* 6,480,000,000,000 products"):
        sizes.check_before_building(make, "net")
    sizes.check_before_building(wide(200), "net")


def test_what_was_built_only_for_its_size_does_not_fail_what_is_built_later():
    before = global_state.get_global_attribute("uninitialized_variables")
    global_state.set_global_attribute("uninitialized_variables", [])  # as Keras leaves it
    try:
        with pytest.raises(ValueError, match="parameters"):
            sizes.check_before_building(wide(10**7), "net")
        assert global_state.get_global_attribute("uninitialized_variables") == []
    finally:
        global_state.set_global_attribute("uninitialized_variables", before)


def test_huge_tensors_are_refused_with_their_numbers():
    def make():
        inputs = keras.Input((32, 32, 3))
        x = keras.layers.UpSampling2D(10_000)(inputs)
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.Model(inputs, keras.layers.Dense(2)(x))

    with pytest.raises(ValueError, match="a tensor of 307,200,000,000 numbers for one image"):
        sizes.check_before_building(make, "net")


@pytest.mark.parametrize("builder", ["chain", "residual", "nested", "convnext_small", "mobilenet_v3", "rescaled"])
def test_the_count_before_building_is_that_of_the_model(builder, monkeypatch):
    def make():
        return getattr(small_models, builder)((32, 32, 3), 3)

    counted = []
    monkeypatch.setattr(sizes, "check", lambda model, label: counted.append(sum_of(model)))
    sizes.check_before_building(make, "net")
    assert counted == [sum_of(make())]
    assert counted[0] > 0


def sum_of(model):
    return model.count_params()


def test_the_bounds_are_inclusive(monkeypatch):
    model = wide(4)()
    sizes.check(model, "net")
    monkeypatch.setattr(sizes, "MOST_PARAMETERS", model.count_params())
    sizes.check(model, "net")
    monkeypatch.setattr(sizes, "MOST_PARAMETERS", model.count_params() - 1)
    with pytest.raises(ValueError, match=f"net has {model.count_params()} parameters; {model.count_params() - 1} are"):
        sizes.check(model, "net")
    sizes.check("no model", "net")
