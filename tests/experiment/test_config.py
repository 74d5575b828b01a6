import json

import pytest

from tftransfer.experiment.config import Config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "rondom"}, "did you mean random"),
        ({"pretrained": "x.pt"}, r"imagenet, or FILE\.weights\.h5, FILE\.h5, FILE\.keras or FILE\.safetensors"),
        ({"pretrained": "imagenet"}, r"goes with the models of keras\.applications.*Received: --model=AlexNet"),
        ({"pretrained_preprocessing": "pytorch"}, "caffe, tf, torch, none, pixels, or rgb:MEAN"),
        ({"pretrained_classes": "a\0b"}, "NUL"),
        ({"model": "AlexNot"}, "did you mean AlexNet"),
        ({"model": "resnet50"}, "did you mean ResNet50"),
        ({"model": "Xception"}, "at least 71 pixels a side. Received: --image_size=32"),
        ({"model": "net.keras", "precision": "mixed_float16"}, "would change nothing"),
        ({"model": "ResNet50", "lr_multipliers": "conv1"}, "BLOCK:FACTOR"),
        ({"blocks": "conv1,,conv2"}, "each once"),
        ({"blocks": "conv1,conv1"}, "each once"),
        ({"batch_norm": "train"}, "inference, adapt"),
        ({"learning_rate": 0.0}, "more than 0"),
        ({"learning_rate": float("nan")}, "finite"),
        ({"epochs": float("inf")}, "finite"),
        ({"dropout": 1.0}, "below 1"),
        ({"image_size": 16}, "32 to 1024"),
        ({"batch_size": 0}, "at least 1"),
        ({"seed": -1}, "from 0"),
        ({"split_seed": 2**32}, "below 4294967296"),
        ({"study": "../elsewhere"}, "ASCII letters"),
        ({"study": ".hidden"}, "no '.' first"),
        ({"runs_dir": "a\0b"}, "NUL"),
        ({"split": "file"}, "needs --split_file"),
        ({"split_file": "x.json"}, "needs --split=file"),
        ({"drop_steps": 5, "drop_epochs": 1.0, "schedule": "step"}, "not both"),
        ({"schedule": "step"}, "goes with"),
        ({"drop_steps": 5}, "goes with"),
        ({"lr_multipliers": "conv9:1"}, "blocks of AlexNet"),
        ({"lr_multipliers": "conv1"}, "BLOCK:FACTOR"),
        ({"lr_multipliers": "conv1:-1"}, "at least 0"),
        ({"lr_multipliers": "conv1:0.5", "optimizer": "adamw"}, "need --optimizer=sgd"),
        ({"layerwise_lr_decay": 0.0}, "above 0"),
        ({"checkpoint_minutes": "-1"}, "auto or a number"),
        ({"checkpoint_minutes": "often"}, "auto or a number"),
        ({"checkpoint_minutes": "inf"}, "auto or a number"),
        ({"replicas": 2}, "needs --strategy=mirrored"),
        ({"replicas": 3, "strategy": "mirrored", "batch_size": 64}, "must divide"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Config(**options)


def test_study_name_carries_data_model_split_and_recipe():
    name = Config().study_name()
    assert name.startswith("motifs-AlexNet-random-")
    assert Config(epochs=20.0).study_name() != name, "another recipe is another study"
    assert Config(seed=3, split_seed=2, images_per_class=5, runs_dir="x", strategy="one_device").study_name() == name
    assert Config(checkpoint_minutes="0").study_name() == name
    assert Config(steps=5, epochs=3.0).study_name() == Config(steps=5).study_name(), "epochs are ignored then"
    assert Config(study="mine").study_name() == "mine"
    assert Config(exclude_duplicates=True).study_name() != name, "on other validation images"
    assert "/" not in Config(dataset="cifar100/config:3.0.2").study_name()


def test_every_recipe_option_changes_the_recipe():
    other = {
        "dataset": "cifar100", "image_size": 64, "augment": "none", "pixel_scale": 1.0,
        "width": 0.5, "dropout": 0.0, "initializer": "paper", "epochs": 3.0, "steps": 7, "batch_size": 8,
        "optimizer": "adamw", "learning_rate": 0.5, "momentum": 0.5, "weight_decay": 0.5,
        "bias_lr_multiplier": 1.0, "bias_decay_multiplier": 1.0,
        "lr_multipliers": "conv1:0.5", "layerwise_lr_decay": 0.5,
        "schedule": "constant", "warmup_steps": 7, "drop_factor": 0.5, "label_smoothing": 0.1,
        "precision": "mixed_bfloat16",
    }  # fmt: skip
    recipe = Config().recipe()
    # Drops need a schedule, and models differ, below; the least steps follow from the default epochs.
    untouched = {"model", "drop_steps", "drop_epochs", "least_steps"}
    assert set(other) | untouched == set(recipe), "what others have and AlexNet has not is left out"
    for name, value in other.items():
        assert Config(**{name: value}).recipe() != recipe, name
    drops = [Config(schedule="step", **drop).recipe() for drop in ({"drop_steps": 5}, {"drop_epochs": 5.0})]
    assert drops[0] != drops[1]
    assert Config(blocks="conv2,conv5").recipe() != recipe
    assert Config(views=3).recipe() == recipe | {"views": 3}, "and without them it is as before"
    residual = Config(model="ResNet50").recipe()
    assert residual != Config(model="ResNet50V2").recipe()
    assert residual != Config(model="ResNet50", batch_norm="adapt").recipe()


def test_copied_blocks_of_pretrained_weights_have_a_lower_rate_by_default():
    assert (Config().copied_rate, Config(copied_lr_multiplier=0.5).copied_rate) == (1.0, 0.5)
    assert Config(pretrained="x.keras").copied_rate == 0.2
    assert Config(pretrained="x.keras", optimizer="adamw").copied_rate == 1.0, "its rates are all alike"
    assert Config(copied_lr_multiplier=1.0).recipe() == Config().recipe()
    assert Config(copied_lr_multiplier=0.5).recipe() == Config().recipe() | {"copied_lr_multiplier": 0.5}


def test_recipes_hold_no_options_of_other_models_and_no_folders():
    recipe = Config(model="/home/me/net.keras").recipe()
    assert recipe["model"] == "net.keras"
    assert recipe == Config(model="net.keras", width=0.5, dropout=0.1, initializer="paper").recipe()
    assert recipe["batch_norm"] == "inference"
    assert "batch_norm" not in Config(model="VGG16", batch_norm="adapt").recipe()
    assert Config(model="/home/me/my net.keras").study_name().startswith("motifs-my-net-random-")
    assert Config(model="nets:build").study_name().startswith("motifs-nets-build-random-")


def test_keys_and_names_of_alexnet_stay_as_they_were():
    assert Config().study_name() == "motifs-AlexNet-random-12ec14d7", "as the README shows"


def test_time_between_checkpoints():
    found = [Config(checkpoint_minutes=text).minutes_between_checkpoints for text in ("auto", "0", "2.5")]
    assert found == [None, 0.0, 2.5]


def test_lengths():
    assert Config(epochs=2.5, batch_size=10).train_steps(images=105) == 25
    assert Config(steps=7).train_steps(images=105) == 7
    assert Config(epochs=1e8, batch_size=10).train_steps(images=100) == 10**9
    with pytest.raises(ValueError, match=r"makes 60,000,000,000 steps of 600 images; 1,000,000,000 are"):
        Config(epochs=1e9, batch_size=10).train_steps(images=600)
    assert Config(schedule="step", drop_epochs=1.0, epochs=3.0, batch_size=10).steps_between_drops(105) == 10
    assert Config().steps_between_drops(1000) == 0
    with pytest.raises(ValueError, match="--batch_size=64, the half has 63"):
        Config().steps_per_epoch(63)
    with pytest.raises(ValueError, match="first drop after 9 steps, but training ends after 9"):
        Config(schedule="step", drop_steps=9, steps=9).steps_between_drops(1000)


def test_the_default_length_has_a_floor_in_steps_and_an_explicit_one_has_none():
    assert Config().train_steps(images=4000) == 744, "12 epochs of motifs"
    assert Config().train_steps(images=123) == 600, "12 epochs would be 12 steps"
    assert Config(epochs=12.0).train_steps(images=123) == 12
    assert Config(steps=5).train_steps(images=123) == 5
    default, explicit = Config().recipe(), Config(epochs=12.0).recipe()
    assert (default["epochs"], default["least_steps"]) == (12.0, 600)
    assert default == explicit | {"least_steps": 600}, "another length on a small half, so another identity"
    assert "least_steps" not in Config(steps=5).recipe()


def test_sizes_follow_the_data_set_and_the_paper():
    assert Config().input_size == 32
    assert Config(dataset="tiny_imagenet").input_size == 56
    assert Config(dataset="imagenet2012").input_size == 227
    assert Config(dataset="imagenet2012").crop_slack == 29


def test_rates_of_blocks():
    assert Config().block_lr_multipliers() == {}
    rates = Config(lr_multipliers="conv1:0.5,fc8:2", layerwise_lr_decay=0.5).block_lr_multipliers()
    assert rates["fc8"] == 2.0
    assert rates["fc7"] == 0.5
    assert rates["conv1"] == 0.5 * 0.5**7
    other = Config(model="ResNet50", lr_multipliers="a:0.5", layerwise_lr_decay=0.5)
    assert other.block_lr_multipliers(("a", "b", "head")) == {"a": 0.125, "b": 0.5}
    with pytest.raises(ValueError, match=r"blocks of ResNet50 \(b, head\)"):
        other.block_lr_multipliers(("b", "head"))


def test_a_whole_number_says_the_same_as_a_fraction():
    assert json.dumps(Config(epochs=7, weight_decay=0).recipe()) == json.dumps(
        Config(epochs=7.0, weight_decay=0.0).recipe()
    )


@pytest.mark.parametrize("options", [{"epochs": 1e308}, {"steps": 10**400}, {"batch_size": 10**400}])
def test_numbers_that_no_arithmetic_holds_are_refused(options):
    with pytest.raises(ValueError, match="at most 1,000,000,000"):
        Config(**options)


def test_rates_that_multiply_to_infinity_are_refused():
    with pytest.raises(ValueError, match="Bad --lr_multipliers"):
        Config(lr_multipliers="conv1:1e308,conv1:1e308")


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({"data_dir": "photographs"}, "data_dir"),
        ({"split": "natural_manmade", "split_seed": 1}, "split_seed"),
        ({"optimizer": "adamw", "momentum": 0.5}, "momentum"),
        ({"optimizer": "adamw", "bias_lr_multiplier": 1.0}, "bias_lr_multiplier"),
        ({"steps": 100, "epochs": 3.0}, "epochs"),
        ({"drop_factor": 0.5}, "drop_factor"),
        ({"batch_norm": "adapt"}, "batch_norm"),
        ({"model": "VGG16", "batch_norm": "adapt"}, "batch_norm"),
        ({"model": "ResNet50", "width": 0.5}, "width"),
        ({"model": "ResNet50", "dropout": 0.1}, "dropout"),
        ({"model": "ResNet50", "initializer": "paper"}, "initializer"),
    ],
)
def test_options_that_would_change_nothing_are_refused(options, given):
    with pytest.raises(ValueError, match=f"--{given} would change nothing"):
        Config(**options).refuse_unused({given})


def test_no_epochs_may_be_said_beside_steps():
    """As one does who gives --steps with a flag file of --epochs."""
    Config(steps=100, epochs=0.0).refuse_unused({"steps", "epochs"})


def test_the_input_of_pretrained_weights_is_part_of_the_recipe_in_place_of_the_mean_image():
    plain, torch = Config(), Config(pretrained_preprocessing="torch")
    assert "preprocessing" not in plain.recipe()
    assert Config(pretrained_preprocessing="pixels").recipe() == plain.recipe()
    assert (torch.recipe()["preprocessing"], torch.recipe()["pixel_scale"]) == ("torch", 0.0)
    assert torch.study_name() != plain.study_name()
    numbers = Config(pretrained_preprocessing=torch.preprocessing.numbers)
    assert numbers.recipe() == torch.recipe(), "one input has one text"
    assert Config(pretrained="x.h5", pretrained_classes="y.txt", copied_lr_multiplier=1.0).recipe() == plain.recipe()
    assert Config(model="ConvNeXtTiny", pretrained_preprocessing="none").recipe()["preprocessing"] == "torch"


def test_options_about_pretrained_weights_that_change_nothing_are_refused():
    with pytest.raises(ValueError, match="--pixel_scale would change nothing here: it goes with "
                       "--pretrained_preprocessing=pixels"):  # fmt: skip
        Config(pretrained_preprocessing="tf").refuse_unused({"pixel_scale"})
    with pytest.raises(ValueError, match="--pretrained_classes would change nothing here: it goes with --pretrained"):
        Config(pretrained_classes="x").refuse_unused({"pretrained_classes"})
    Config().refuse_unused({"pixel_scale"})
