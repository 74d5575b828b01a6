"""From the options about pretrained weights to their file and the input of all networks; Keras is not needed."""

import pytest

import pretrained_files
from tftransfer.execution import pretrained_file
from tftransfer.experiment.config import Config
from tftransfer.models.preprocessing import MODES
from tftransfer.pretrained import description, imagenet


@pytest.fixture
def told(tmp_path):
    """A file with a description, whose format 1 knows the mean image alone."""
    return pretrained_files.make(tmp_path, ".safetensors")


@pytest.fixture
def bare(tmp_path):
    """A file without a description."""
    path = tmp_path / "bare.h5"
    pretrained_files.write_arrays(path, pretrained_files.arrays())
    return path


def opened(path, given=(), **options):
    return pretrained_file.opened(Config(pretrained=str(path), **options), given)


def test_a_description_says_the_input_of_all_networks(told):
    assert opened(told).config.preprocessing is None
    known = {"mean": [1, 2, 3], "scale": [1, 1, 1], "order": "bgr"}
    pretrained_files.describe(told, pixel_scale=None, preprocessing=known)
    result = opened(told)
    assert result.config.pretrained_preprocessing == "bgr:1,2,3:1,1,1"
    assert result.config.preprocessing == result.described.preprocessing
    assert (result.path, result.notes, result.described.trained_on) == (told, (), ("a", "b", "c", "d"))
    assert result.config.recipe()["preprocessing"] == "bgr:1,2,3:1,1,1"


def test_pixels_as_they_come_stay_so_for_models_that_rescale_inside(told):
    plain = {"mean": [0, 0, 0], "scale": [1, 1, 1], "order": "rgb"}
    pretrained_files.describe(told, pixel_scale=None, preprocessing=plain)
    assert opened(told, model="MobileNetV3Small").config.preprocessing == MODES["none"]


def test_options_that_contradict_the_description_are_refused(told, tmp_path):
    with pytest.raises(ValueError, match="pixels by their description, --pretrained_preprocessing=torch here"):
        opened(told, pretrained_preprocessing="torch")
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\nd\n")
    assert opened(told, pretrained_classes=str(names)).described.classes == 4
    names.write_text("a\nb\nc\n")
    with pytest.raises(ValueError, match=r"knows 4 classes, .* names 3\."):
        opened(told, pretrained_classes=str(names))
    names.write_text("a\nb\nc\ne\n")
    with pytest.raises(ValueError, match="names others"):
        opened(told, pretrained_classes=str(names))


def test_classes_that_the_description_does_not_know_are_those_of_the_option(told, tmp_path):
    pretrained_files.describe(told, trained_on=None)
    (tmp_path / "names.txt").write_text("x\ny\n\nz\nw\n")
    assert opened(told, pretrained_classes=str(tmp_path / "names.txt")).described.trained_on == ("x", "y", "z", "w")


def test_without_a_description_the_input_must_be_known(bare):
    with pytest.raises(ValueError, match=r"What input do the weights .* know\?.*--model=AlexNet does not tell it"):
        opened(bare)
    result = opened(bare, pretrained_preprocessing="torch")
    assert (result.described.preprocessing, result.described.classes, result.notes) == (MODES["torch"], None, ())
    assert result.described.image_size == 32
    pixels = opened(bare, pretrained_preprocessing="pixels", pixel_scale=0.5)
    assert (pixels.described.pixel_scale, pixels.config.preprocessing) == (0.5, None)


def test_a_model_of_keras_applications_tells_its_input_and_that_is_said(bare):
    result = opened(bare, model="MobileNetV2")
    assert result.config.preprocessing == MODES["tf"]
    assert "bare.h5 has no description; its input is taken to be that of MobileNetV2" in result.notes[0]
    assert opened(bare, model="MobileNetV2", pretrained_preprocessing="caffe").config.preprocessing == MODES["caffe"]
    assert opened(bare, model="MobileNetV3Small", pretrained_preprocessing="none").config.preprocessing == MODES["tf"]


def test_what_would_change_nothing_then_is_refused(bare):
    with pytest.raises(ValueError, match="--pixel_scale would change nothing here"):
        opened(bare, {"pixel_scale"}, model="MobileNetV2", pixel_scale=1.0)


def test_imagenet_classes_are_wordnet_ids(bare):
    described = opened(bare, model="MobileNetV2", pretrained_classes="imagenet").described
    assert described.trained_on == imagenet.classes()
    assert described.classes_in(("n01440764", "n99999999")) == {0}


def test_imagenet_is_asked_of_keras(bare, monkeypatch):
    asked = []
    monkeypatch.setattr(imagenet, "located", lambda *arguments: asked.append(arguments) or (bare, "https://x"))
    result = pretrained_file.opened(Config(pretrained="imagenet", model="MobileNetV2"), download=False)
    assert asked == [("MobileNetV2", False)]
    assert (result.path, result.described.classes, result.config.preprocessing) == (bare, 1000, MODES["tf"])
    with pytest.raises(ValueError, match="know another input: tf"):
        pretrained_file.opened(Config(pretrained="imagenet", model="MobileNetV2", pretrained_preprocessing="torch"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"Cannot read .*gone\.h5: No such file or directory\.$"),
        (b"\x80\x04no weights", "is no file of weights of Keras that can be used"),
        (b"", "is no file of weights of Keras that can be used"),
    ],
)
def test_bad_files_are_one_clear_message(tmp_path, content, message):
    path = tmp_path / "gone.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        opened(path, model="MobileNetV2")


@pytest.mark.parametrize(
    ("names", "message"),
    [(b"one\n", "two at least and all different"), (b"a\na\n", "2 names, 1 of them different"), (b"\xff", "no|codec"),
     (None, "Cannot read the class names")],
)  # fmt: skip
def test_bad_lists_of_classes_are_one_clear_message(bare, tmp_path, names, message):
    path = tmp_path / "names.txt"
    if names is not None:
        path.write_bytes(names)
    with pytest.raises(ValueError, match=message):
        opened(bare, model="MobileNetV2", pretrained_classes=str(path))


def test_a_description_without_its_file_names_the_file(told):
    told.unlink()
    assert description.beside(told).exists()
    with pytest.raises(ValueError, match=r"Cannot read .*base\.safetensors: No such file"):
        opened(told)
