import dataclasses
import hashlib

import numpy as np
import pytest

from made_images import make_half
from tftransfer import transfer
from tftransfer.data import pipeline
from tftransfer.training import diagnostics, trainer


@pytest.fixture(scope="module")
def images(task):
    return diagnostics.inputs(task, 24)


@pytest.fixture(scope="module")
def networks(recipe):
    """Two bases of different numbers of classes, and one with three blocks of the first."""
    base_a, base_b, grafted = (
        transfer.weights_of(trainer.build_model(recipe, classes, seed)) for classes, seed in ((4, 1), (5, 2), (5, 3))
    )
    copied = {name: base_a[name] for name in ("conv1", "conv2", "conv3")}
    return base_a, base_b, grafted | copied


def test_a_transferred_network_is_like_its_source_as_far_as_it_was_copied(recipe, networks, images):
    base_a, base_b, grafted = networks
    arrays = diagnostics.compute(recipe, 5, grafted, images, source=base_a, base=base_b)
    assert arrays["blocks"].tolist() == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    assert arrays["images"] == 24
    with_base, bases = arrays["with_base"], arrays["source_with_base"]
    assert with_base[:3] == pytest.approx(bases[:3], abs=1e-5)
    assert (with_base[3:] != bases[3:]).all()
    assert np.isfinite(bases).all()
    assert (bases < 1.001).all()


def test_a_network_is_wholly_like_itself(recipe, networks, images):
    _, base_b, _ = networks
    arrays = diagnostics.compute(recipe, 5, base_b, images, source=base_b, base=base_b)
    assert arrays["with_base"] == pytest.approx(1)
    assert arrays["source_with_base"] == pytest.approx(1)


def test_a_network_with_dropped_blocks_is_compared_as_far_as_it_goes(recipe, networks, images):
    """Also after a whole network, whose upper blocks must not be taken for its own."""
    base_a, base_b, grafted = networks
    bias = grafted["fc8"][1]
    lower = {name: grafted[name] for name in ("conv1", "conv2", "conv3")}
    dropped = lower | {"fc8": [np.zeros((bias.size, bias.size), np.float32), bias]}
    maker = diagnostics.DiagnosticsMaker(recipe, 5, images)
    whole = maker.compute(grafted, base_a, base_b)
    arrays = maker.compute(dropped, base_a, base_b)
    assert arrays["blocks"].tolist() == ["conv1", "conv2", "conv3"]
    for name in ("with_base", "source_with_base"):
        assert arrays[name].shape == (3,)
        np.testing.assert_allclose(arrays[name], whole[name][:3], atol=1e-6)
    assert (maker.compute(grafted, base_a, base_b)["with_base"] == whole["with_base"]).all()


def test_similarity_does_not_depend_on_the_order_of_computing(recipe, networks, images):
    base_a, base_b, grafted = networks
    first = diagnostics.compute(recipe, 5, grafted, images, source=base_a, base=base_b)
    again = diagnostics.compute(recipe, 5, grafted, images, source=base_a, base=base_b)
    assert all((first[name] == again[name]).all() for name in first)


def test_bases_have_filters_only(recipe, networks):
    assert set(diagnostics.compute(recipe, 4, networks[0])) == {"filters"}


def test_filters_are_pictures_of_the_first_kernels(networks):
    kernel = networks[0]["conv1"][0]
    pictures = diagnostics.filters(networks[0])
    assert pictures.dtype == np.uint8
    assert pictures.shape == (kernel.shape[3], *kernel.shape[:3])
    shown = (pictures.astype(float) - 128).ravel()
    assert np.corrcoef(shown, np.moveaxis(kernel, -1, 0).ravel())[0, 1] > 0.99
    assert (np.sign(shown[np.abs(shown) > 1]) == np.sign(np.moveaxis(kernel, -1, 0).ravel()[np.abs(shown) > 1])).all()


def test_filters_without_weights_are_grey_and_networks_without_convolution_refused():
    assert (diagnostics.filters({"c": [np.zeros((3, 3, 3, 2), "float32")]}) == 128).all()
    with pytest.raises(ValueError, match="no convolution"):
        diagnostics.filters({"fc": [np.zeros((3, 2), "float32")]})


def test_inputs_are_always_the_same_images_in_random_order(task):
    few, all_images = diagnostics.inputs(task, 5), diagnostics.inputs(task, 1000)
    assert len(all_images) == len(task.validation)
    assert (few == all_images[:5]).all()
    assert few.shape[1:] == (32, 32, 3)
    in_order = np.concatenate([x for x, _, _ in pipeline.evaluation_batches(task.validation, task.view, 53)])
    assert not (all_images == in_order).all()
    assert (np.sort(all_images, axis=0) == np.sort(in_order, axis=0)).all(), "each image once"


def test_batches_of_images_that_lie_by_class_are_mixed(task):
    """As motifs and folders have them: batches of few classes would make features of a class look alike."""
    half = make_half(400, 5, seed=2)
    by_class = np.argsort(half.labels, kind="stable")
    mean = np.zeros((32, 32, 3), np.float32)  # the view then shows the pixels
    half = dataclasses.replace(half, images=half.images[by_class], labels=half.labels[by_class])
    view = pipeline.View(32, mean, 1.0)
    chosen = diagnostics.inputs(dataclasses.replace(task, validation=half, view=view), 256)
    label_of = {image.tobytes(): label for image, label in zip(half.images, half.labels, strict=True)}
    labels = np.array([label_of[image.astype(np.uint8).tobytes()] for image in chosen])
    counts = np.array([np.bincount(batch, minlength=5) for batch in np.split(labels, 4)])
    assert (counts > 64 / 5 / 3).all(), counts


def test_what_is_saved_is_read_without_pickle_and_repeats_to_the_byte(tmp_path, recipe, networks, images):
    base_a, base_b, grafted = networks
    arrays = diagnostics.compute(recipe, 5, grafted, images, source=base_a, base=base_b)
    said = [diagnostics.save(tmp_path, arrays) for _ in range(2)]
    path = tmp_path / said[0]["file"]
    assert said[0] == said[1]
    assert said[0]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    with np.load(path, allow_pickle=False) as found:
        assert all((found[name] == values).all() for name, values in arrays.items())
    assert [item.name for item in tmp_path.iterdir()] == [diagnostics.FILE]
    assert path.stat().st_size < 50_000
