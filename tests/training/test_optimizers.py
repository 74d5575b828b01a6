import keras
import numpy as np
import pytest
import tensorflow as tf

from tftransfer.training.optimizers import CaffeSGD, RateSchedule


class Reference:
    """Caffe's solver in NumPy: momentum over rate times (gradient + decay times weight)."""

    def __init__(self, momentum):
        self.momentum, self.velocity = momentum, {}

    def step(self, weights, gradients, rates, decays):
        for name, weight in weights.items():
            pull = gradients[name] + decays[name] * weight
            velocity = self.momentum * self.velocity.get(name, 0.0) - rates[name] * pull
            self.velocity[name] = velocity
            weights[name] = weight + velocity


def network():
    inputs = keras.Input((6,))
    x = keras.layers.Dense(5, name="first", activation="tanh", kernel_initializer=keras.initializers.GlorotUniform(1))(
        inputs
    )
    x = keras.layers.Dense(
        3, name="second", kernel_initializer=keras.initializers.GlorotUniform(2), bias_initializer="ones"
    )(x)
    return keras.Model(inputs, x)


def gradients_of(model, x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x) - y))
    return tape.gradient(loss, [variable.value for variable in model.trainable_variables])


def test_equals_a_numpy_reference_over_200_steps():
    model = network()
    schedule = RateSchedule(0.05, 200, "step", drop_steps=70)
    optimizer = CaffeSGD(schedule, momentum=0.9, l2=0.01, bias_lr_multiplier=2.0, bias_decay_multiplier=0.0,
                          lr_multipliers={"first": 0.5},
                         decay_multipliers={"second": 3.0})  # fmt: skip
    rng = np.random.default_rng(0)
    reference = Reference(0.9)
    weights = {v.path: v.numpy().astype(np.float64) for v in model.trainable_variables}
    for step in range(200):
        x, y = rng.normal(size=(8, 6)).astype("float32"), rng.normal(size=(8, 3)).astype("float32")
        gradients = gradients_of(model, x, y)
        found = {
            v.path: g.numpy().astype(np.float64) for v, g in zip(model.trainable_variables, gradients, strict=True)
        }
        rate = 0.05 * 0.1 ** (step // 70)
        rates = {p: rate * (0.5 if "first" in p else 1) * (2 if "bias" in p else 1) for p in found}
        decays = {p: 0 if "bias" in p else 0.01 * (3 if "second" in p else 1) for p in found}
        reference.step(weights, found, rates, decays)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        for variable in model.trainable_variables:
            np.testing.assert_allclose(variable.numpy(), weights[variable.path], atol=1e-6)


def test_equals_the_update_of_keras_to_the_last_bit(monkeypatch):
    def trained():
        model, rng = network(), np.random.default_rng(0)
        optimizer = CaffeSGD(RateSchedule(0.05, 20, "cosine"), l2=0.01, lr_multipliers={"first": 0.3})
        for _ in range(20):
            x, y = rng.normal(size=(8, 6)).astype("float32"), rng.normal(size=(8, 3)).astype("float32")
            optimizer.apply_gradients(zip(gradients_of(model, x, y), model.trainable_variables, strict=True))
        return model.get_weights(), [variable.numpy() for variable in optimizer.momentums]

    ours = trained()
    monkeypatch.setattr(CaffeSGD, "_update_at_once", lambda self, *args: keras.optimizers.SGD.update_step(self, *args))
    for here, there in zip(ours, trained(), strict=True):
        for one, other in zip(here, there, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_rate_of_0_holds_a_layer_and_the_longest_name_counts():
    optimizer = CaffeSGD(lr_multipliers={"conv1": 0.0, "A4B/conv1": 0.5})
    assert optimizer.rate_factor_and_decay("B4B/conv1/kernel")[0] == 0.0
    assert optimizer.rate_factor_and_decay("A4B/conv1/kernel")[0] == 0.5
    assert optimizer.rate_factor_and_decay("A4B/conv1/bias")[0] == 1.0
    assert optimizer.rate_factor_and_decay("A4B/conv11/kernel")[0] == 1.0, "a part of a name does not match"


def test_layers_that_start_later_stand_still_before_and_have_their_slots():
    model = network()
    optimizer = CaffeSGD(0.05, l2=0.01, layer_starts={"first": 3})
    rng = np.random.default_rng(0)
    first = model.get_layer("first").get_weights()
    for step in range(5):
        moved = any((a != b).any() for a, b in zip(first, model.get_layer("first").get_weights(), strict=True))
        assert moved == (step > 3), step
        x, y = rng.normal(size=(8, 6)).astype("float32"), rng.normal(size=(8, 3)).astype("float32")
        optimizer.apply_gradients(zip(gradients_of(model, x, y), model.trainable_variables, strict=True))
    assert sum("momentum" in variable.path for variable in optimizer.variables) == 4


def test_frozen_layers_have_no_slots():
    model = network()
    model.get_layer("first").trainable = False
    optimizer = CaffeSGD()
    optimizer.build(model.trainable_variables)
    slots = [variable for variable in optimizer.variables if "momentum" in variable.path]
    assert len(slots) == 2
    assert all("second" in variable.path for variable in slots)


def test_unknown_layers_and_bad_factors_are_refused():
    with pytest.raises(ValueError, match=r"No trained layer is called third.*first, second"):
        CaffeSGD(lr_multipliers={"third": 1.0}).build(network().trainable_variables)
    with pytest.raises(ValueError, match="at least 0"):
        CaffeSGD(l2=-1.0)
    with pytest.raises(ValueError, match="at least 0"):
        CaffeSGD(lr_multipliers={"first": float("nan")})


def test_saved_with_its_model_it_goes_on_as_before(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 6)).astype("float32"), rng.normal(size=(32, 3)).astype("float32")
    model = network()
    model.compile(CaffeSGD(RateSchedule(0.05, 40, "cosine"), l2=0.01, lr_multipliers={"first": 0.5}), "mse")
    model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for one in (model, loaded):
        one.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    for here, there in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kind": "constant"}, [1.0, 1.0, 1.0]),
        ({"kind": "step", "drop_steps": 50}, [1.0, 0.1, 0.01]),
        ({"kind": "cosine"}, [1.0, 0.5, 0.0]),
        ({"kind": "constant", "warmup_steps": 100}, [0.01, 0.51, 1.0]),
    ],
)
def test_schedules(options, expected):
    schedule = RateSchedule(1.0, 100, **options)
    rates = [float(schedule(step)) for step in (0, 50, 100)]
    np.testing.assert_allclose(rates, expected, atol=1e-6)
    assert RateSchedule.from_config(schedule.get_config()).get_config() == schedule.get_config()


def test_bad_schedules_are_refused():
    with pytest.raises(ValueError, match="Unknown schedule"):
        RateSchedule(1.0, 100, "linear")
    with pytest.raises(ValueError, match="drop_steps"):
        RateSchedule(1.0, 100, "step")
