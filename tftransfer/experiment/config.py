"""The options that all commands share, and what follows from them: recipe, study name, lengths of training.

Nothing here imports TensorFlow, so that a wrong option is refused at once.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Collection, Sequence
from typing import Any

from tftransfer.cli.options import (
    DATA,
    MACHINE,
    MODEL,
    MOST,
    RECIPE,
    SPLIT,
    above,
    at_least,
    auto_or_minutes,
    check_fields,
    name_list,
    no_nul,
    option,
    plain_name,
    some_path,
    within,
)
from tftransfer.data.datasets import default_input_size, is_without_folder, study_prefix
from tftransfer.experiment import splits
from tftransfer.models import catalog, preprocessing
from tftransfer.models.options import ModelOptions
from tftransfer.models.preprocessing import Preprocessing
from tftransfer.pretrained import imagenet
from tftransfer.pretrained.description import IMAGENET, suffix_fault

# Part of every key: raised when the meaning of an option or of training changes, so that old records are not reused.
PROTOCOL = 2

EPOCHS, LEAST_STEPS = 12.0, 600
"""Length of training without --epochs and --steps: epochs, and the fewest steps.

The default recipe needs its steps, however few the images are: on a half of motifs its base reaches 8.7 % top-1 after
100, 14.4 % after 200, 50.2 % after 400, 71.2 % after 600 and 80.6 % after 744, its 12 epochs (chance: 5 %). 600 is
four times the warm-up, the fewest that leave its 150 steps whole.
"""
PRETRAINED_RATE = 0.2
"""Factor on the learning rate of tuned blocks of pretrained weights (`docs/pretrained_weights.md`)."""
FEW_STEPS = 200
"""Steps below which a network is hardly trained, by the same scores."""

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("constant", "step", "cosine")
AUTO = "auto"
BASES = ("auto", "yes", "no")
BUDGETS = ("equal_steps", "equal_total")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
STRATEGIES = ("auto", "one_device", "mirrored")
RESUMES = ("any", "exact", "no")
BATCH_NORMS = ("inference", "adapt")
AUGMENTATIONS = ("crop_mirror", "crop", "mirror", "none")


@dataclasses.dataclass(frozen=True)
class Config:
    """The options that all commands share, each described by its help text."""

    dataset: str = option(
        "motifs",
        DATA,
        "motifs (drawn, no download), tiny_imagenet, folder (a sub-folder per class), arrays (written from Python), "
        "module:function (your own code), or a set of TensorFlow Datasets, such as cifar100",
    )
    data_dir: str = option(
        "", DATA, "folder of the images of tiny_imagenet, folder and arrays; of TensorFlow Datasets otherwise", no_nul
    )
    source_dataset: str = option(
        "", DATA, "data set whose classes are A, all of them; B is then all of --dataset; empty: A and B are halves of "
        "--dataset, or A is what --pretrained was trained on",
    )  # fmt: skip
    source_dir: str = option("", DATA, "folder of the images of --source_dataset", no_nul)
    skip_broken: bool = option(
        False,
        DATA,
        "leave out images that cannot be decoded, and name them in the records, instead of stopping",
    )
    exclude_duplicates: bool = option(
        False,
        DATA,
        "leave validation images out of evaluation that equal, or nearly equal, training images of either half",
    )
    image_size: int = option(
        0, DATA, "height and width of the input in pixels; 0: 32 for motifs and cifar, 56 for tiny_imagenet; for "
        "folder and arrays 227/256 of the images' side, from 32 to 227; else 227",
        lambda v: None if v == 0 or 32 <= v <= 1024 else "0 or 32 to 1024",
    )  # fmt: skip
    images_per_class: int = option(
        0, DATA, "train on the first k images of each class of the target; 0: all", at_least(0)
    )
    augment: str = option("crop_mirror", DATA, "random augmentation of training images", choices=AUGMENTATIONS)
    views: int = option(
        0,
        DATA,
        "random crops and mirror images of each training image, shown in turns; 0: new ones in every epoch",
        at_least(0),
    )
    pixel_scale: float = option(1 / 64, DATA, "factor on pixels, 0 to 255 minus the mean image; paper: 1", above(0))
    pretrained: str = option(
        "", DATA, "weights in place of the source's base: FILE.weights.h5, FILE.h5, FILE.keras or FILE.safetensors; or "
        "imagenet, those that keras.applications downloads", suffix_fault,
    )  # fmt: skip
    pretrained_preprocessing: str = option(
        "", DATA, "input of all networks: torch, tf, caffe or none, the modes of keras.applications; pixels: minus the "
        "mean image, times --pixel_scale; empty: what the weights are known to need, else pixels",
        preprocessing.expected,
    )  # fmt: skip
    pretrained_classes: str = option(
        "", DATA, "classes that --pretrained was trained on: a text file with one name per line, or imagenet; empty: "
        "those of its description, else not known", no_nul,
    )  # fmt: skip

    split: str = option(
        AUTO, SPLIT, "how the classes are divided into the halves A and B; auto: none with --source_dataset or "
        "--pretrained, else random", choices=(AUTO, *splits.SPLITS),
    )  # fmt: skip
    split_seed: int = option(0, SPLIT, "seed of a random split; 0 to 3 are the paper's", within(0, 2**32))
    split_file: str = option("", SPLIT, 'JSON file {"A": [names], "B": [names]} for --split=file', no_nul)

    model: str = option(
        "AlexNet",
        MODEL,
        "AlexNet, a model of keras.applications, FILE.keras or module:function",
        catalog.expected_model,
    )
    blocks: str = option(
        "",
        MODEL,
        "last layer of each block, or names of AlexNet's blocks, as --list_blocks shows; the rest is the head",
        name_list,
    )
    width: float = option(0.25, MODEL, "AlexNet: factor on channels and units; paper: 1", within(0.01, 8))
    dropout: float = option(0.5, MODEL, "AlexNet: dropout rate after fc6 and fc7", within(0, 1))
    initializer: str = option(
        "he_normal",
        MODEL,
        "AlexNet: initial weights; paper: N(0, .01) and constant biases",
        choices=catalog.INITIALIZERS,
    )

    epochs: float = option(
        0.0, RECIPE, f"epochs to train; 0: {EPOCHS:g}, or as many as make {LEAST_STEPS} steps", at_least(0),
    )  # fmt: skip
    steps: int = option(0, RECIPE, "steps to train, instead of --epochs; 0: as --epochs says", at_least(0))
    batch_size: int = option(64, RECIPE, "images per step, over all replicas", at_least(1))
    optimizer: str = option("sgd", RECIPE, "Caffe's SGD, with the options below, or AdamW", choices=OPTIMIZERS)
    learning_rate: float = option(0.015, RECIPE, "peak learning rate", above(0))
    momentum: float = option(0.9, RECIPE, "sgd: momentum", within(0, 1))
    weight_decay: float = option(5e-4, RECIPE, "weight decay; sgd: in the gradient (L2); adamw: decoupled", at_least(0))
    bias_lr_multiplier: float = option(2.0, RECIPE, "sgd: factor on the learning rate of biases; paper: 2", at_least(0))
    bias_decay_multiplier: float = option(
        0.0, RECIPE, "sgd: factor on the weight decay of biases; paper: 0", at_least(0)
    )
    lr_multipliers: str = option(
        "", RECIPE, "sgd: factors on the learning rate of blocks, as in conv1:0,conv2:0.5; 0 keeps a block as it is"
    )
    layerwise_lr_decay: float = option(
        1.0,
        RECIPE,
        "sgd: factor on the learning rate from each block to the one below it",
        lambda v: None if 0 < v <= 1 else "above 0 to 1",
    )
    copied_lr_multiplier: float = option(
        0.0, RECIPE, "sgd: factor on the learning rate of copied blocks that are tuned; 0: 0.2 with --pretrained, else "
        "1", at_least(0),
    )  # fmt: skip
    schedule: str = option("cosine", RECIPE, "learning-rate schedule", choices=SCHEDULES)
    warmup_steps: int = option(150, RECIPE, "steps of linear warm-up; a quarter of all at most", at_least(0))
    drop_steps: int = option(0, RECIPE, "schedule=step: steps between drops of the learning rate", at_least(0))
    drop_epochs: float = option(
        0.0, RECIPE, "schedule=step: epochs between drops, instead of --drop_steps", at_least(0)
    )
    drop_factor: float = option(0.1, RECIPE, "schedule=step: factor on the learning rate at each drop", within(0, 1))
    label_smoothing: float = option(0.0, RECIPE, "fraction of the label spread over all classes", within(0, 1))
    batch_norm: str = option(
        "inference",
        RECIPE,
        "moving statistics of frozen blocks: inference keeps the source's, adapt follows the target's images",
        choices=BATCH_NORMS,
    )
    batch_norm_momentum: float = option(
        0.9, RECIPE, "momentum of moving statistics; 0: the model's own, often 0.99, too slow for a few hundred steps",
        within(0, 1),
    )  # fmt: skip
    precision: str = option("float32", RECIPE, "Keras dtype policy", choices=PRECISIONS)
    seed: int = option(0, RECIPE, "seed of initial weights, data order, augmentation and dropout", within(0, 2**31))

    runs_dir: str = option("runs", MACHINE, "folder of all studies", some_path)
    study: str = option(
        "", MACHINE, "name of the study's folder; without: made from data, model, split and recipe", plain_name
    )
    cache_dir: str = option("", MACHINE, "folder of prepared images; without: ~/.cache/tftransfer", no_nul)
    strategy: str = option(
        "auto", MACHINE, "tf.distribute strategy; auto: mirrored if there are several GPUs", choices=STRATEGIES
    )
    replicas: int = option(
        0, MACHINE, "GPUs of --strategy=mirrored, or logical CPUs without a GPU; 0: all", at_least(0)
    )
    keep_weights: bool = option(
        False, MACHINE, "keep the weights of all networks, not only of bases and, after a sweep, the best"
    )
    cache_limit: float = option(
        10.0, MACHINE, "GB of --cache_dir for features of frozen blocks, which are computed once where training images "
        "have no new view in every epoch (--augment=none, --views); 0: none are kept", at_least(0),
    )  # fmt: skip
    evaluations: int = option(
        0, MACHINE, "evaluations on the validation images; 0: one per epoch, 50 at most, and at most a fifth of the "
        "arithmetic of training (3 passes for an image of a step, 1 for a validation image)", at_least(0),
    )  # fmt: skip
    checkpoint_minutes: str = option(
        "auto", MACHINE, "minutes between checkpoints, from which an interrupted training goes on; auto: as often as "
        "takes less than 2 % of the time; 0: none", auto_or_minutes,
    )  # fmt: skip
    resume: str = option(
        "any", MACHINE, "whether to go on from a checkpoint; any: also on other hardware, threads, replicas or "
        "versions, which are named; exact: only if every bit stays the same; no: train anew, and move it aside",
        choices=RESUMES,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Checks each option, then what concerns several; raises ValueError."""
        check_fields(self)
        if self.split == AUTO:
            object.__setattr__(self, "split", splits.WHOLE if self.source_dataset or self.pretrained else "random")
        self._check_pair()
        if self.split == "file" and not self.split_file:
            raise ValueError("--split=file needs --split_file=FILE. Received no --split_file.")
        if self.split_file and self.split != "file":
            raise ValueError(f"--split_file needs --split=file. Received: --split={self.split}")
        smallest = catalog.smallest_side(self.model)
        if self.input_size < smallest:
            raise ValueError(
                f"{self.model} takes images of at least {smallest} pixels a side. Received: --image_size="
                f"{self.input_size}. Use --image_size={smallest} or more, or another --model."
            )
        if self.pretrained == IMAGENET:
            imagenet.check_model(self.model)
        if catalog.is_file(self.model) and self.precision != "float32":
            raise ValueError(
                f"The layers of a model file have types of their own, so --precision would change nothing. "
                f"Received: --model={self.model} --precision={self.precision}"
            )
        self.block_lr_multipliers()
        if self.drop_steps and self.drop_epochs:
            raise ValueError(
                f"Give --drop_steps or --drop_epochs, not both. Received: {self.drop_steps} and {self.drop_epochs:g}"
            )
        drops = bool(self.drop_steps or self.drop_epochs)
        if drops != (self.schedule == "step"):
            raise ValueError(
                f"--schedule=step goes with --drop_steps or --drop_epochs. Received: --schedule={self.schedule} "
                f"--drop_steps={self.drop_steps} --drop_epochs={self.drop_epochs:g}"
            )
        if self.replicas and self.strategy != "mirrored":
            raise ValueError(f"--replicas needs --strategy=mirrored. Received: --strategy={self.strategy}")
        if self.replicas and self.batch_size % self.replicas:
            raise ValueError(
                f"The batch must divide by the replicas. Received: --batch_size={self.batch_size} "
                f"--replicas={self.replicas}"
            )

    def _check_pair(self) -> None:
        """Raises ValueError if the options say two different things about A and B."""
        if not self.source_dataset:
            return
        if self.split != splits.WHOLE:
            raise ValueError(
                f"With --source_dataset, A is all of its classes and B all of --dataset; there are no halves. Leave "
                f"--split out. Received: --source_dataset={self.source_dataset} --split={self.split}"
            )
        if self.pretrained:
            raise ValueError(
                f"A is either --source_dataset or what --pretrained was trained on. Leave one of them out. Received: "
                f"--source_dataset={self.source_dataset} --pretrained={self.pretrained}"
            )

    def trains_base(self, base: str) -> bool:
        """Whether the base of a target is trained to compare with, for a value of `BASES`."""
        return base == "yes" or (base == "auto" and not (self.pretrained and self.split == splits.WHOLE))

    @property
    def copied_rate(self) -> float:
        """Factor on the learning rate of copied blocks that are tuned, the default filled in."""
        if self.copied_lr_multiplier:
            return self.copied_lr_multiplier
        return PRETRAINED_RATE if self.pretrained and self.optimizer == "sgd" else 1.0

    @property
    def input_size(self) -> int:
        """Side of the network's input in pixels, the data set's default filled in."""
        return self.image_size or default_input_size(self.dataset)

    @property
    def architecture(self) -> ModelOptions:
        """Options of the architecture, apart from the number of classes."""
        blocks = tuple(self.blocks.split(",")) if self.blocks else ()
        return ModelOptions(self.model, self.input_size, blocks, self.width, self.dropout, self.initializer)

    @property
    def preprocessing(self) -> Preprocessing | None:
        """The input of all networks; None for pixels less the mean image, times --pixel_scale."""
        return preprocessing.parse(self.pretrained_preprocessing, self.model)

    @property
    def crop_slack(self) -> int:
        """Pixels by which stored images exceed the input: the paper's 29 of 227 (256 less 227)."""
        return round(self.input_size * 29 / 227)

    @property
    def minutes_between_checkpoints(self) -> float | None:
        """Minutes between checkpoints; 0 for no checkpoints, None for `auto`."""
        return None if self.checkpoint_minutes == "auto" else float(self.checkpoint_minutes)

    def block_lr_multipliers(self, blocks: Sequence[str] | None = None) -> dict[str, float]:
        """Returns the factors on the learning rate of blocks that are not 1.

        Args:
            blocks: The model's blocks if it was built; by default those that are known without. Where they are not
                known, only the factors of --lr_multipliers are checked and returned.

        Raises:
            ValueError: If the factors cannot be read, or are of blocks which the model does not have.
        """
        blocks = blocks or catalog.blocks_of(self.model, self.blocks)
        known = blocks or ()
        rates = {block: self.layerwise_lr_decay**depth for depth, block in enumerate(reversed(known))}
        for part in filter(None, self.lr_multipliers.split(",")):
            block, _, factor = part.rpartition(":")
            try:
                rate = float(factor)
            except ValueError:
                rate = math.nan
            if (blocks and block not in blocks) or not block or not (math.isfinite(rate) and rate >= 0):
                names = f"blocks of {self.model} ({', '.join(blocks)})" if blocks else f"blocks of {self.model}"
                raise ValueError(
                    f"Bad --lr_multipliers. Expected BLOCK:FACTOR[,...] with {names} and factors of at least 0. "
                    f"Received: {part!r}"
                )
            rates[block] = rates.get(block, 1.0) * rate
            if not math.isfinite(rates[block]):
                raise ValueError(f"Bad --lr_multipliers. Expected factors of less than 1e308. Received: {part!r}")
        rates = {block: rate for block, rate in rates.items() if rate != 1}
        if (rates or self.layerwise_lr_decay != 1) and self.optimizer != "sgd":
            raise ValueError(f"Learning rates per block need --optimizer=sgd. Received: --optimizer={self.optimizer}")
        return rates

    def check_release(self, release_step: int) -> None:
        """Raises ValueError if preserved blocks are to wait for a step and the optimizer cannot hold them."""
        if release_step and self.optimizer != "sgd":
            raise ValueError(
                f"--release_step needs --optimizer=sgd. Received: --release_step={release_step} "
                f"--optimizer={self.optimizer}"
            )

    def refuse_unused(self, given: Collection[str]) -> None:
        """Refuses options that the user gave and that would change nothing.

        Of models that only Keras can build, `training.trainer.checked_blocks` refuses the rest.

        Args:
            given: Names of the options that the user gave.

        Raises:
            ValueError: If there is one, with what it goes with.
        """
        only_sgd, own = (self.optimizer != "sgd", "--optimizer=sgd"), self.model in catalog.MODELS
        no_batch_norm = (catalog.has_batch_norm(self.model) is False, "a model with batch normalisation")
        # Option -> whether it is unused here, and what it goes with.
        unused = {
            "data_dir": (
                is_without_folder(self.dataset),
                "--dataset=folder, arrays, tiny_imagenet, module:function or a set of TensorFlow Datasets",
            ),
            "source_dir": (
                is_without_folder(self.source_dataset) or not self.source_dataset,
                "--source_dataset=folder, arrays, tiny_imagenet, module:function or a set of TensorFlow Datasets",
            ),
            "pixel_scale": (self.preprocessing is not None, f"--pretrained_preprocessing={preprocessing.PIXELS}"),
            "pretrained_classes": (not self.pretrained, "--pretrained"),
            "split_seed": (self.split != "random", "--split=random"),
            "epochs": (bool(self.steps and self.epochs), "--steps=0; --epochs=0 undoes what a flag file says"),
            "copied_lr_multiplier": only_sgd,
            **dict.fromkeys(("momentum", "bias_lr_multiplier", "bias_decay_multiplier"), only_sgd),
            "views": (self.augment == "none", "--augment=crop_mirror, crop or mirror"),
            "drop_factor": (self.schedule != "step", "--schedule=step"),
            **dict.fromkeys(("batch_norm", "batch_norm_momentum"), no_batch_norm),
            **dict.fromkeys(("width", "dropout", "initializer"), (not own, "--model=AlexNet")),
        }
        for name, (is_unused, needed) in unused.items():
            if name in given and is_unused:
                raise ValueError(f"--{name} would change nothing here: it goes with {needed}. Leave it out.")

    def refuse_pretrained(self) -> None:
        """Raises ValueError if --pretrained is given to a command that copies from no weights."""
        if self.pretrained:
            raise ValueError(
                f"--pretrained would change nothing here, where nothing is copied. Leave it out; its input alone is "
                f"--pretrained_preprocessing. Received: --pretrained={self.pretrained}"
            )

    def shared(self) -> dict[str, Any]:
        """Returns the options that all commands have, by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(Config)}

    def recipe(self) -> dict[str, Any]:
        """Returns the options that decide a result besides images, treatment and seed: preparation, model, training."""
        inputs = {"dataset": self.dataset, "image_size": self.input_size}
        inputs |= {name: getattr(self, name) for name in ("augment", "pixel_scale")}
        if self.source_dataset:
            inputs["source_dataset"] = self.source_dataset
        if self.preprocessing is not None:
            inputs |= {"pixel_scale": 0.0, "preprocessing": self.preprocessing.text}
        inputs |= {"views": self.views} if self.views and self.augment != "none" else {}
        rest = {
            # From Python, 7 may stand for 7.0: the same recipe has one text.
            field.name: type(field.default)(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.metadata["section"] in (MODEL, RECIPE) and field.name != "seed"
        }
        rest["copied_lr_multiplier"] = self.copied_rate
        if self.copied_rate == 1:
            del rest["copied_lr_multiplier"]
        if self.steps:
            rest["epochs"] = 0.0  # ignored, so it must not make a difference
        elif not self.epochs:
            rest |= {"epochs": EPOCHS, "least_steps": LEAST_STEPS}
        rest["model"] = catalog.label(self.model)
        if self.model not in catalog.MODELS:
            rest |= dict.fromkeys(("width", "dropout"), 0.0) | {"initializer": ""}  # they are AlexNet's
        if catalog.has_batch_norm(self.model) is False:
            del rest["batch_norm"], rest["batch_norm_momentum"]
        if not self.blocks:
            del rest["blocks"]
        return inputs | rest

    def study_name(self, split: str = "") -> str:
        """Returns the study's folder name: data set, model, kind of split and 8 digits of the recipe's hash.

        Args:
            split: Kinds of split to name instead of the option's.
        """
        if self.study:
            return self.study
        # Empty values do not count, so that an option which is added later leaves the names of studies as they are.
        telling = {name: value for name, value in self.recipe().items() if value}
        telling |= {"exclude_duplicates": True} if self.exclude_duplicates else {}
        recipe = json.dumps(telling | {"protocol": PROTOCOL}, sort_keys=True)
        model = catalog.safe_label(self.model)
        dataset = study_prefix(self.dataset, self.data_dir)
        kind = split or self.split
        if kind == splits.WHOLE:
            kind = f"from-{self.source_dataset or 'weights'}"
        return f"{dataset}-{model}-{kind}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"

    def train_steps(self, images: int) -> int:
        """Returns the training steps of a network.

        Args:
            images: Training images of its half.

        Raises:
            ValueError: If --epochs makes more steps than --steps takes.
        """
        if self.steps:
            return self.steps
        if self.epochs:
            steps = max(1, round(self.epochs * self.steps_per_epoch(images)))
            if steps > MOST:
                raise ValueError(
                    f"--epochs={self.epochs:g} makes {steps:,} steps of {images} images; {MOST:,.0f} are trained at "
                    f"most. Use fewer --epochs."
                )
            return steps
        return max(LEAST_STEPS, round(EPOCHS * self.steps_per_epoch(images)))

    def steps_per_epoch(self, images: int) -> int:
        """Returns the whole batches in `images` images; the rest of a shuffled epoch is left out."""
        if images < self.batch_size:
            raise ValueError(
                f"The batch is larger than the half: --batch_size={self.batch_size}, the half has {images} training "
                f"images. Use a --batch_size of at most {images}."
            )
        return images // self.batch_size

    def steps_between_drops(self, images: int) -> int:
        """Returns the steps between two drops of the learning rate, 0 if it never drops."""
        if self.schedule != "step":
            return 0
        drop = self.drop_steps or max(1, round(self.drop_epochs * self.steps_per_epoch(images)))
        if drop >= self.train_steps(images):
            raise ValueError(
                f"The learning rate would first drop after {drop} steps, but training ends after "
                f"{self.train_steps(images)}. Drop earlier or use --schedule=constant."
            )
        return drop
