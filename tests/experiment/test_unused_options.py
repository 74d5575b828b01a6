import pytest

from tftransfer.experiment import unused_options
from tftransfer.experiment.config import Config


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
        unused_options.refuse(Config(**options), {given})


def test_no_epochs_may_be_said_beside_steps():
    """As one does who gives --steps with a flag file of --epochs."""
    unused_options.refuse(Config(steps=100, epochs=0.0), {"steps", "epochs"})
