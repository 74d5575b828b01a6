"""Weights from a finished network to a file, from the file to a transfer; and files that are not as they should be."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import small_models
from made_images import write_photographs
from tftransfer import describe, run
from tftransfer.experiment import splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.pretrained import description, files
from tftransfer.records import record_files

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """Six classes of 12 training and 4 validation images, and a recipe of two steps."""
    root = write_photographs(tmp_path_factory.mktemp("photographs"), training=12, validation=4)
    return ["--dataset=folder", f"--data_dir={root}", "--image_size=32", "--width=0.05", "--steps=2", "--batch_size=16",
            "--warmup_steps=0", "--evaluations=1", f"--cache_dir={root}/cache", f"--runs_dir={root}/runs"]  # fmt: skip


def main(command, *arguments):
    return command.main(["command.py", *map(str, arguments)])


@pytest.mark.parametrize("kind", ["/dev/zero", "pipe", "bytes"])
def test_class_names_are_read_from_texts_only(kind, tmp_path):
    path = pathlib.Path(kind) if kind.startswith("/") else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "bytes":
        path.write_bytes(b"\xff\xfe\x00cat")
    (tmp_path / "given.safetensors").write_bytes(b"whatever")
    words = [f"--weights={tmp_path}/given.safetensors", "--classes=2", "--provenance=x", "--width=0.1"]
    with pytest.raises(ValueError, match=r"Cannot read the class names in .* Expected: a text, one name a line"):
        main(describe, *words, f"--trained_on=@{path}")


def test_from_a_finished_network_to_a_transfer_from_its_file(options, tmp_path, capsys):
    assert main(run, "--treatment=base", "--target=A", *options) == 0
    (study,) = pathlib.Path(options[-1].partition("=")[2]).iterdir()
    path, base = tmp_path / "given.safetensors", study / "random0-baseA-seed0"
    words = [f"--network={base}", f"--to={path}"]
    with pytest.raises(ValueError, match="names 2 different classes; the network has 3"):
        main(describe, *words, "--trained_on=class0,class1")
    assert sorted(tmp_path.iterdir()) == []
    assert main(describe, *words, "--trained_on=class0,class4,elsewhere") == 0
    assert "3 classes: class0, class4, elsewhere" in capsys.readouterr().out
    assert "--target=A" in description.read(path).provenance
    with pytest.raises(ValueError, match="is there already"):
        main(describe, *words)

    asked = ["--treatment=AnB", "--n=2", f"--pretrained={path}", "--split=random", *options]
    main(run, *asked, "--dry_run")
    output = capsys.readouterr().out
    assert "not trained here" in output
    assert "baseA" not in output
    assert main(run, *asked) == 0
    out, err = capsys.readouterr()
    label = f"A2B-w{files.digest(path)[:8]}"
    assert label in out
    (path_of_record,) = study.parent.glob(f"*/random0-{label}-seed0")
    record = record_files.read(path_of_record)
    classes = splits.random_split(6, 0).b
    seen = len({0, 4} & set(classes))
    assert record.content["integrity"]["target_classes_seen_by_source"] == seen
    assert (f"given.safetensors was trained on {seen} classes of its target" in err) == (seen > 0)
    assert str(tmp_path) not in json.dumps(record.content)

    other = [word for word in asked if not word.startswith(("--width", "--runs_dir"))]
    with pytest.raises(ValueError, match=r'"conv1": .* in the file, .* here'):
        main(run, *other, "--width=0.2", f"--runs_dir={tmp_path}/other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("build", [small_models.nested, small_models.residual, small_models.attention])
def test_a_file_of_keras_is_described_as_keras_would_load_it(build, tmp_path):
    """The places of weights inside the file are Keras' own business: what is read must be what Keras reads."""
    from tftransfer.execution import pretrained_base
    from tftransfer.models import architectures

    config = Config(model=f"small_models:{build.__name__}", image_size=32)
    model = architectures.build(config.architecture, 4)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            weight.assign(rng.normal(size=weight.shape))
    path = tmp_path / "net.weights.h5"
    model.save_weights(path)
    words = [f"--weights={path}", f"--model={config.model}", "--classes=4", "--provenance=a test"]
    assert main(describe, *words) == 0
    given = pretrained_base.load(path, files.opened(path), config)
    assert given.weights
    for layer, arrays in given.weights.items():
        for ours, theirs in zip(arrays, model.get_layer(layer).get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    other = Config(model="small_models:chain", image_size=32)
    with pytest.raises(ValueError, match="another network"):
        pretrained_base.load(path, files.opened(path), other)
    described = description.read(path)
    with pytest.raises(ValueError, match=r"for images of 64 pixels a side; here they have 32"):
        pretrained_base.load(path, description.Description(**vars(described) | {"image_size": 64}), config)
    with pytest.raises(ValueError, match="equal shapes but other options"):
        pretrained_base.load(path, description.Description(**vars(described) | {"architecture": "0" * 64}), config)
    with pytest.raises(ValueError, match=r"are of another network than chain for 32 pixels"):
        main(describe, *words[:1], "--model=small_models:chain", *words[2:])


def test_classes_of_the_embedded_images_are_known():
    names, _ = describe.datasets.describe_classes("motifs")
    split = splits.random_split(40, 3)
    identity = {
        "recipe": {"dataset": "motifs"}, "split": "random3", "treatment": vars(treatments.base("A")),
        "data": {"classes_sha256": splits.digest(split.a)},
    }  # fmt: skip
    record = record_files.Record(pathlib.Path("x"), {"identity": identity})
    assert describe._classes_of(record) == tuple(names[index] for index in split.a)
    for changed in ({"split": "random2"}, {"split": "file-1a2b3c4d"}, {"recipe": {"dataset": "folder"}}):
        assert describe._classes_of(record_files.Record(pathlib.Path("x"), {"identity": identity | changed})) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Describe what"),
        (["--network=x", "--weights=y.safetensors"], "not both"),
        (["--network=x"], "go together"),
        (["--network=x", "--to=y.pt"], "Bad --to"),
        (["--network=/nowhere", "--to=y.safetensors"], "No finished network"),
        (["--network=x", "--to=y.safetensors", "--width=1"], "width would change nothing"),
        (["--weights=x.safetensors", "--classes=2", "--provenance=x", "--model=VGG16", "--width=1"], "change nothing"),
        (["--weights=x.safetensors", "--classes=2"], "who trained them"),
        (["--weights=x.safetensors", "--provenance=x"], "--classes=NUMBER"),
        (["--weights=x.safetensors", "--classes=2", "--provenance=x"], "Cannot read x.safetensors"),
    ],
    ids=str,
)
def test_bad_options_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        main(describe, *arguments)


def test_a_bad_file_is_one_line_with_exit_code_2_and_leaves_nothing(tmp_path):
    path = tmp_path / "given.safetensors"
    path.write_bytes(b"\x80\x04no weights")
    words = [sys.executable, "-m", "tftransfer.run", "--treatment=A4B", f"--pretrained={path}", "--runs_dir=runs"]
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done.stderr
    assert "given.safetensors.json" in done.stderr
    assert list(tmp_path.iterdir()) == [path]
