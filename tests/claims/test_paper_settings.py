"""The paper's settings, as far as no other test holds them, and the table in docs/ that says which test holds which."""

import ast
import csv
import dataclasses
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from tftransfer import sweep
from tftransfer.cli import command_line
from tftransfer.data import pipeline
from tftransfer.execution import run_config
from tftransfer.experiment import prepared_images, treatments
from tftransfer.models import AlexNet, LocalResponseNormalization
from tftransfer.training import compilation, trainer
from tftransfer.training.group import Group, Network
from tftransfer.training.optimizers import RateSchedule

ROOT = pathlib.Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "paper_settings.md").read_text(encoding="utf-8")
TEST_NAME = re.compile(r"`(tests/[\w/]+\.py)::(\w+(?:::\w+)?)`")

# Of the authors' solver and network files.
PAPER = {
    "dataset": "imagenet2012",
    "image_size": 227,
    "images_per_class": 0,
    "augment": "crop_mirror",
    "pixel_scale": 1.0,
    "split": "random",
    "model": "AlexNet",
    "width": 1.0,
    "dropout": 0.5,
    "initializer": "paper",
    "steps": 450_000,
    "batch_size": 256,
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "bias_lr_multiplier": 2.0,
    "bias_decay_multiplier": 0.0,
    "lr_multipliers": "",
    "layerwise_lr_decay": 1.0,
    "schedule": "step",
    "drop_steps": 100_000,
    "drop_factor": 0.1,
    "warmup_steps": 0,
    "label_smoothing": 0.0,
    "precision": "float32",
    "evaluations": 450,
}


def options_of(flag_file, *more):
    words = ["run.py", f"--flagfile={ROOT}/flags/{flag_file}", *more]
    return command_line.parse(run_config.RunConfig, words, "usage")[0]


@pytest.fixture(scope="module")
def caffenet():
    return AlexNet(classes=20, seed=0)


def test_the_papers_flag_file_is_the_paper():
    options = options_of("paper_ilsvrc12.flags")
    assert {name: getattr(options, name) for name in PAPER} == PAPER


def test_the_small_flag_file_differs_from_the_paper_only_where_it_says_so():
    small = options_of("paper_small.flags", "--data_dir=x")
    differing = {name for name in PAPER if getattr(small, name) != PAPER[name]}
    header = (ROOT / "flags" / "paper_small.flags").read_text(encoding="utf-8")
    (named,) = re.findall(r"^# Differs +(.*?)(?=^# \w+ {2,}|^--)", header, re.MULTILINE | re.DOTALL)
    assert differing == set(re.findall(r"--(\w+)", named))
    assert small.drop_steps / small.steps == pytest.approx(PAPER["drop_steps"] / PAPER["steps"], rel=0.01)


def test_networks_are_trained_as_long_as_the_authors_logs_say():
    with (ROOT / "tftransfer" / "analysis" / "data" / "paper_runs.csv").open(encoding="utf-8", newline="") as file:
        runs = list(csv.DictReader(file))
    lengths = {(run["experiment"] == "reduced", int(run["iterations"]), int(run["checks"])) for run in runs}
    ours = set()
    for reduced, flag_file in ((False, "paper_study.flags"), (True, "paper_reduced.flags")):
        words = ["sweep.py", f"--flagfile={ROOT}/flags/{flag_file}"]
        options = command_line.parse(sweep.SweepConfig, words, "usage")[0]
        ours.add((reduced, options.steps, options.evaluations))
    assert {row[:2] for row in ours} == {row[:2] for row in lengths}
    assert ours <= lengths
    kept = {int(run["images_per_class"]) for run in runs if run["experiment"] == "reduced"}
    assert kept == {int(k) for k in options.images_per_class.split(",")}
    assert {name: getattr(options, name) for name in PAPER.keys() - {"images_per_class", "steps", "evaluations"}} == {
        name: value for name, value in PAPER.items() if name not in ("images_per_class", "steps", "evaluations")
    }


def test_images_are_warped_to_256_pixels_and_cropped_to_227():
    options = options_of("paper_ilsvrc12.flags")
    assert prepared_images.stored_size(options, native_size=None) == 256
    view = pipeline.View(options.input_size, np.zeros((256, 256, 3), np.float32), options.pixel_scale)
    top, left, mirror = pipeline.Sampling(0, "B", 256).augmentation(np.arange(4000), epoch=0, slack=view.slack)
    assert set(top) == set(left) == set(range(29)), "as Caffe: Rand() % (256 - 227)"
    assert 0.45 < mirror.mean() < 0.55


def test_pixels_keep_their_range():
    images = np.full((1, 256, 256, 3), 255, np.uint8)
    view = pipeline.View(227, np.full((256, 256, 3), 100, np.float32), options_of("paper_ilsvrc12.flags").pixel_scale)
    assert (pipeline.crop(images, view, np.array([14]), np.array([14]), np.array([False])) == 155).all()


def test_pooling_windows_overlap_and_lie_where_caffenets_do(caffenet):
    pools = {layer.name: layer for layer in caffenet.layers if isinstance(layer, keras.layers.MaxPooling2D)}
    assert list(pools) == ["conv1_pool", "conv2_pool", "conv5_pool"]
    for pool in pools.values():
        assert (pool.pool_size, pool.strides, pool.padding) == ((3, 3), (2, 2), "valid")
        side = pool.input.shape[1]
        assert (side - 3) % 2 == 0, "Caffe rounds up where Keras rounds down: the same only if the window fits"


def test_normalisation_has_caffes_constants(caffenet):
    """Local size 5, alpha 1e-4, beta 0.75, k 1; alpha over the size, which a plain sum of squares shows."""
    norms = [layer for layer in caffenet.layers if isinstance(layer, LocalResponseNormalization)]
    assert [norm.name for norm in norms] == ["conv1_norm", "conv2_norm"]
    pixel = np.linspace(-300, 300, 96, dtype=np.float32)[None, None, None]
    window = (pixel[..., 40 - 2 : 40 + 3].astype(np.float64) ** 2).sum()
    expected = pixel[..., 40] / (1 + 1e-4 / 5 * window) ** 0.75
    np.testing.assert_allclose(norms[0](pixel)[..., 40], expected, rtol=1e-6)


def test_rectifiers_follow_every_layer_but_the_last(caffenet):
    rectified = [layer.name.removesuffix("_relu") for layer in caffenet.layers if isinstance(layer, keras.layers.ReLU)]
    assert rectified == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    weight_layers = [layer for layer in caffenet.layers if layer.weights and hasattr(layer, "activation")]
    assert {layer.activation for layer in weight_layers} == {keras.activations.linear}


@pytest.mark.parametrize("n", [6, 7])
def test_dropout_stays_active_behind_frozen_layers(n):
    def outputs(dropout, frozen):
        template = AlexNet((32, 32, 3), 5, width=0.1, dropout=dropout, initializer="he_normal", seed=0)
        base = Group(template, [Network("base")], {}, seed=1, target="A").weights("base")
        group = Group(template, [Network("net", "s", f"k{frozen}")], {"s": base}, seed=0, target="B")
        images = keras.random.normal((4, 32, 32, 3), seed=2)
        return [np.asarray(group.model(images, training=training)["net"]) for training in (True, False)]

    training, inference = outputs(0.5, n)
    assert (training != inference).any()
    np.testing.assert_array_equal(*outputs(0.0, n))


def test_the_rate_falls_to_a_tenth_every_100_000_iterations():
    schedule = RateSchedule(0.01, 450_000, "step", drop_steps=100_000, drop_factor=0.1)
    steps = [0, 99_999, 100_000, 199_999, 200_000, 299_999, 300_000, 399_999, 400_000, 449_999]
    rates = [float(schedule(step)) for step in steps]
    np.testing.assert_allclose(rates, [1e-2] * 2 + [1e-3] * 2 + [1e-4] * 2 + [1e-5] * 2 + [1e-6] * 2, rtol=1e-5)


@pytest.fixture(scope="module")
def paper_group():
    """A narrow network for small images, compiled with all else as in the paper's flag file."""
    options = dataclasses.replace(options_of("paper_ilsvrc12.flags"), width=0.05, image_size=32)
    group = Group(trainer.build_model(options, 5), [Network("base")], {}, seed=0, target="B")
    compilation.compile_group(group, options, images=640_000, classes=5)
    return group


def test_the_papers_rates_decays_and_momentum_reach_every_weight(paper_group):
    optimizer = paper_group.model.optimizer
    found = {v.path: optimizer.rate_factor_and_decay(v.path) for v in paper_group.model.trainable_variables}
    assert len(found) == 16
    assert {path.rpartition("/")[2]: found[path] for path in found} == {"kernel": (1.0, 5e-4), "bias": (2.0, 0.0)}
    assert set(found.values()) == {(1.0, 5e-4), (2.0, 0.0)}
    assert optimizer.momentum == 0.9
    rates = [float(optimizer._learning_rate(step)) for step in (0, 99_999, 100_000, 449_999)]
    np.testing.assert_allclose(rates, [1e-2, 1e-2, 1e-3, 1e-6], rtol=1e-5)


def test_half_of_fc6_and_of_fc7_is_dropped(paper_group):
    (tower,) = paper_group._towers.values()
    dropout = {layer.name: layer.rate for layer in tower.layers if hasattr(layer, "rate")}
    assert dropout == {"fc6_dropout": 0.5, "fc7_dropout": 0.5}


def test_length_batch_and_test_interval_are_the_papers():
    options = options_of("paper_ilsvrc12.flags")
    assert options.train_steps(640_000) == 450_000
    assert options.steps_per_epoch(640_000) == 2500, "batches of 256"
    assert trainer._rounds(options, 640_000, 25_000, 0) == [(0, 1000, 0, 450)], "450 rounds of 1000 steps"


def test_the_agreement_is_printed_by_a_command():
    """Without PyTorch it says so; with it, the comparison itself is a benchmark."""
    script = ROOT / "tests" / "benchmarks" / "torch_agreement.py"
    (command,) = re.findall(r"python (tests/benchmarks/torch_agreement\.py)`", TABLE)
    assert ROOT / command == script
    done = subprocess.run(
        [sys.executable, script, "--torch_python=/nowhere"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "name another with --torch_python" in done.stderr


def test_every_treatment_of_the_authors_files_has_its_options():
    lines = re.findall(r"^\| .*?`(--treatment=[^`]*)`", TABLE, re.MULTILINE)
    families = set()
    for line in lines:
        options = command_line.parse(run_config.RunConfig, ["run.py", *line.split()], "usage")[0]
        given = {word[2:].partition("=")[0] for word in line.split()}
        families.add(run_config.parse_treatment(options, given).family)
    assert families >= {"base", "AnB", "BnB", "AnB+", "BnB+", "BnA", "RnB", "Rnall"}
    assert families <= set(treatments.TREATMENTS)


# The table


def rows():
    lines = [line for line in TABLE.splitlines() if line.startswith("| ")]
    return [line for line in lines if not line.startswith(("| setting", "| layer", "| what"))]


def test_every_row_of_the_table_names_its_test():
    assert len(rows()) > 40
    without = [row for row in rows() if not TEST_NAME.search(row)]
    assert not without
    assert "not supported" not in TABLE


@pytest.mark.parametrize("path", sorted({path for path, _ in TEST_NAME.findall(TABLE)}))
def test_every_test_in_the_table_is_there(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for class_ in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        there |= {f"{class_.name}::{node.name}" for node in class_.body if isinstance(node, ast.FunctionDef)}
    named = {name for where, name in TEST_NAME.findall(TABLE) if where == path}
    assert named <= there
