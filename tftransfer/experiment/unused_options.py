"""Refuses options that a user gave and that would change nothing: whoever gives one expects that it does.

Of models that only Keras can build, `training.trainer.checked_blocks` refuses the rest.
"""

from tftransfer.experiment.config import Config
from tftransfer.models import catalog


def refuse(config: Config, given: set[str]) -> None:
    """Refuses options that the user gave and that would change nothing; raises ValueError naming them.

    Args:
        config: The options.
        given: Names of those which the user set.
    """
    idle = {
        "data_dir": (config.dataset == "motifs", "--dataset=folder, tiny_imagenet or a set of TensorFlow Datasets"),
        "split_seed": (config.split != "random", "--split=random"),
        "epochs": (bool(config.steps and config.epochs), "--steps=0; --epochs=0 undoes what a flag file says"),
        "momentum": (config.optimizer != "sgd", "--optimizer=sgd"),
        "bias_lr_multiplier": (config.optimizer != "sgd", "--optimizer=sgd"),
        "bias_decay_multiplier": (config.optimizer != "sgd", "--optimizer=sgd"),
        "drop_factor": (config.schedule != "step", "--schedule=step"),
        "batch_norm": (catalog.has_batch_norm(config.model) is False, "a model with batch normalisation"),
    }
    idle["batch_norm_momentum"] = idle["batch_norm"]
    own = config.model in catalog.MODELS
    idle |= dict.fromkeys(("width", "dropout", "initializer"), (not own, "--model=AlexNet"))
    for name, (without_effect, needed) in idle.items():
        if name in given and without_effect:
            raise ValueError(f"--{name} would change nothing here: it goes with {needed}. Leave it out.")
