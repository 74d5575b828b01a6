"""The command, from its options to its table."""

import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from tftransfer import run
from tftransfer.cli import command_line
from tftransfer.data.datasets import folder
from tftransfer.experiment import splits
from tftransfer.records import record_files

ROOT = pathlib.Path(__file__).parent.parent
SMALL = ["--width=0.05", "--steps=2", "--batch_size=16", "--warmup_steps=0", "--evaluations=1"]


def command(*arguments, **options):
    """Runs the command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "tftransfer.run", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, env=environment, check=False, **options)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def options(tmp_path, cache, photographs):
    return ["--dataset=folder", f"--data_dir={photographs}", "--image_size=32", *SMALL,
            f"--cache_dir={cache}", f"--runs_dir={tmp_path}/runs"]  # fmt: skip


def main(*arguments):
    return run.main(["run.py", *map(str, arguments)])


def test_the_main_job(options, tmp_path, cache, photographs, monkeypatch, capsys):
    """As a user types it, in a process of its own; then the next treatment, which trains only what is missing."""
    monkeypatch.setenv("SECRET_TOKEN", "s3cret-t0ken")
    monkeypatch.chdir(tmp_path)
    first = command("--treatment=BnB", "--n=4", *options, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    table = first.stdout
    assert "baseB gets 2 steps, which may be too few" in first.stderr
    assert "weights: not kept of B4B; --keep_weights keeps them" in table
    assert table.index("weights: not kept") < table.index("training on"), "before it is too late"
    for part in ("data set   folder", "split      random0 (classes: A 3, B 3)", "baseB", "B4B", "chance", "33.3 %"):
        assert part in table, table
    study = pathlib.Path(re.search(r"records    (\S+)", table)[1])
    assert re.search(rf"compare    tensorboard --logdir {re.escape(str(study))}", table)
    networks = sorted(path.name for path in study.iterdir() if path.is_dir() and not path.name.startswith("."))
    assert networks == ["random0-B4B-seed0", "random0-baseB-seed0"]
    before = (study / "random0-baseB-seed0" / record_files.RECORD).read_bytes()

    main("--treatment=AnB+", "--n=4", *options)
    second = capsys.readouterr().out
    assert "reused baseB" in second
    assert "training baseA" in second
    assert (study / "random0-baseB-seed0" / record_files.RECORD).read_bytes() == before
    main("--treatment=A4B+", *options)
    third = capsys.readouterr().out
    assert "reused baseA, baseB, A4B+" in third
    assert "training on" not in third
    assert "top-5" not in table, "of three classes it is always 100 %"
    kept = [path for path in study.rglob("*") if path.is_file()]
    private = [str(tmp_path), str(cache), str(photographs), f"{pathlib.Path.home()}/", "s3cret"]
    telling = [(path.name, word) for path in kept for word in private if word.encode() in path.read_bytes()]
    assert not telling, "nothing that a user may commit says where it was made"


def test_dry_run_trains_nothing_and_says_what_and_why(options, tmp_path, capsys):
    assert main("--treatment=AnB", "--n=3", "--dry_run", *options) == 0
    text = capsys.readouterr().out
    assert re.search(r"baseA +to train +its first blocks are copied", text)
    assert re.search(r"baseB +to train +results on its half are compared with it", text)
    assert re.search(r"A3B +to train +asked for", text)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch_size=61"], "batch is larger than the half"),
        (["--images_per_class=21"], "No class has that many"),
        (["--schedule=step", "--drop_steps=2"], "first drop after 2 steps"),
        (["--runs_dir=/proc/nothing"], "Cannot write into the runs folder"),
    ],
    ids=str,
)
def test_dry_run_refuses_what_the_run_would_refuse(words, message, options, tmp_path):
    with pytest.raises(ValueError, match=message):
        main("--treatment=B4B", "--dry_run", *options, *words)
    assert not (tmp_path / "runs").exists()


def test_dry_run_refuses_an_empty_class(options, tmp_path):
    for name in "abcd":
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for i in range(0 if name == "c" else 10):
            Image.new("RGB", (40, 40)).save(tmp_path / "photographs" / name / f"{i}.png")
    with pytest.raises(ValueError, match=r"No images in .*photographs/c\."):
        main("--treatment=B4B", "--dry_run", *options, f"--data_dir={tmp_path}/photographs")


def test_dry_run_names_classes_images_steps_and_what_is_held_out(options, tmp_path, capsys):
    for name in ("ant", "bee", "cow", "dog"):
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for i in range(20):
            Image.new("RGB", (40, 40), (i, 0, 0)).save(tmp_path / "photographs" / name / f"{i}.png")
    words = ["--treatment=B4B", "--dry_run", *options, f"--data_dir={tmp_path}/photographs", "--image_size=128"]
    assert main(*words) == 0
    text = capsys.readouterr().out
    assert re.search(r"half B +2 classes.*\n +(ant|bee|cow|dog), (ant|bee|cow|dog)\n", text)
    held = 4 * [0]
    for label, name in enumerate(("ant", "bee", "cow", "dog")):
        held[label] = len(folder.hold_out([f"{name}/{i}.png" for i in range(20)], name)[1])
    classes = f"{20 - max(held)} to {20 - min(held)} a class"
    aside = f"{sum(held)} held out, which no training sees ({min(held)} to {max(held)} a class)"
    assert f"{80 - sum(held)} for training ({classes}), {aside}" in text
    assert "input     128 x 128 pixels, AlexNet; images have about 40 a side" in text
    assert "asked for; 2 steps of 16" in text
    assert "caution   baseB gets 2 steps, which may be too few" in text
    assert "caution   images of about 40 pixels a side are enlarged to 128" in text
    assert re.search(r"time +not known", text)


@pytest.mark.parametrize("split_seed", range(4))
def test_dry_run_of_imagenet_needs_no_data_and_shows_the_papers_halves(split_seed, capsys):
    assert main("--treatment=BnB", "--n=4", "--dataset=imagenet2012", "--dry_run", f"--split_seed={split_seed}") == 0
    text = capsys.readouterr().out
    expected = json.loads((ROOT / "tests" / "support" / "split_checksums.json").read_text())[f"random{split_seed}"]
    assert f"half A    500 classes, SHA-256 of the sorted indices {expected['A_sha256']}" in text
    assert f"half B    500 classes, SHA-256 of the sorted indices {expected['B_sha256']}" in text


def test_dry_run_knows_what_is_done(options, capsys):
    main("--treatment=base", "--target=B", *options)
    capsys.readouterr()
    main("--treatment=BnB", "--n=1", "--dry_run", *options)
    assert re.search(r"baseB +done", capsys.readouterr().out)
    main("--treatment=base", "--target=B", "--force", "--dry_run", *options)
    assert re.search(r"baseB +to train +asked for; --force", capsys.readouterr().out)


def test_list_and_version(capsys):
    assert main("--list") == 0
    text = capsys.readouterr().out
    for name in ("motifs", "tiny_imagenet", "AlexNet", "BnB+", "natural_manmade"):
        assert name in text
    assert main("--version") == 0
    assert re.fullmatch(r"tftransfer \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Which network"),
        (["--treatment=BnB"], "Received no --n"),
        (["--treatment=BnB", "--n=0"], "n must be 1 to 7"),
        (["--treatment=BnB", "--n=8"], "n must be 1 to 7"),
        (["--treatment=XnB", "--n=4"], "Unknown treatment"),
        (["--treatment=base", "--target=B", "--n=4"], "copies no blocks"),
        (["--treatment=B4B", "--dataset=motif"], "motifs"),
        (["--treatment=B4B", "--dataset=tiny_imagenet"], "No wnids.txt"),
        (["--treatment=B4B", "--dataset=tiny_imagenet", "--data_dir="], "needs --data_dir"),
        (["--treatment=B4B", "--dataset=folder", "--data_dir=/nowhere"], "there is nothing"),
        (["--treatment=B4B", "--split=natural_manmade"], "WordNet id"),
        (["--treatment=B4B", "--split=file", "--split_file=/nowhere.json"], "Cannot read the split file"),
        (["--treatment=B4B", "--batch_size=61"], "batch is larger than the half"),
        (["--treatment=B4B", "--images_per_class=21"], "No class has that many"),
        (["--treatment=B4B", "--runs_dir=/proc/nothing"], "Cannot write into the runs folder"),
        (["--treatment=B4B", "--strategy=mirrored", "--replicas=3"], "must divide by the replicas"),
        (["--treatment=B4B", "--schedule=step", "--drop_steps=2"], "first drop after 2 steps"),
    ],
    ids=str,
)
def test_bad_input_ends_before_anything_is_trained(arguments, message, options, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(*options, *arguments)
    assert not list(tmp_path.glob("runs/*"))


def test_a_class_in_one_split_only(options, tmp_path):
    root = tmp_path / "photographs"
    for place in ("train/a", "train/b", "train/c", "train/d", "val/a", "val/b", "val/c"):
        (root / place).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(root / place / "x.png")
    with pytest.raises(ValueError, match=r"1 class\(es\) of train/ are missing in val/ of .*: d\."):
        main("--treatment=B4B", *options, f"--data_dir={root}")


def test_broken_images_are_counted_and_named(options, tmp_path):
    root = tmp_path / "photographs"
    for split in ("train", "val"):
        for name in "abcd":
            (root / split / name).mkdir(parents=True)
            Image.new("RGB", (40, 40)).save(root / split / name / "good.png")
    for i in range(12):
        (root / "train" / "a" / f"bad{i:02}.png").write_bytes(b"no image")
    with pytest.raises(RuntimeError, match=r"(?s)12 of the 20 .*bad00\.png") as error:
        main("--treatment=B4B", *options, f"--data_dir={root}", f"--cache_dir={tmp_path}/cache", "--batch_size=2")
    assert "bad09.png" in str(error.value)
    assert "bad10.png" not in str(error.value)


def test_wrong_input_is_one_line_without_traceback_and_without_tensorflow():
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONPROFILEIMPORTTIME": "1"}
    words = [sys.executable, "-m", "tftransfer.run", "--treatment=BnB", "--n=9"]
    imported = subprocess.run(words, capture_output=True, text=True, env=environment, check=False).stderr
    assert "tftransfer.experiment.config" in imported
    assert "tensorflow" not in imported
    done = command("--treatment=BnB", "--n=9")
    assert done.returncode == command_line.EXIT_BAD_INPUT
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_natural_manmade_split_of_motifs(capsys):
    assert main("--treatment=AnB", "--n=4", "--split=natural_manmade", "--dry_run") == 0
    text = capsys.readouterr().out
    assert text.count("20 classes") == 2


def test_split_by_file(options, tmp_path, capsys):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"A": ["class0", "class5"], "B": ["class1", "class2", "class3"]}))
    assert main("--treatment=BnB", "--n=4", "--dry_run", *options, "--split=file", f"--split_file={path}") == 0
    text = capsys.readouterr().out
    assert f"half A    2 classes, SHA-256 of the sorted indices {hashlib.sha256(b'0,5').hexdigest()}" in text
    assert splits.digest([1, 2, 3]) in text


def other_model(model, *more):
    return [f"--model={model}", *more, "--steps=2", "--batch_size=16", "--warmup_steps=0", "--evaluations=1"]


@pytest.fixture
def plain(tmp_path, cache, photographs):
    return ["--dataset=folder", f"--data_dir={photographs}", "--image_size=32", f"--cache_dir={cache}",
            f"--runs_dir={tmp_path}/runs"]  # fmt: skip


def test_a_network_of_ones_own_from_code_to_record_and_back(plain, tmp_path, capsys):
    import numpy as np

    import tftransfer

    words = [*plain, *other_model("small_models:nested", "--treatment=BnB", "--n=backbone", "--batch_norm=adapt")]
    main(*words, "--keep_weights")
    assert "B2B" in capsys.readouterr().out
    (study,) = (tmp_path / "runs").iterdir()
    assert study.name.startswith("folder-small_models-nested-random-")
    record = record_files.read(study / "random0-B2B-seed0")
    assert record.identity["architecture"]["blocks"] == ["stem", "backbone", "logits"]
    integrity = record.content["integrity"]
    assert integrity["batch_norm"] == "adapt"
    assert integrity["frozen_blocks_unchanged"]
    assert integrity["frozen_statistics_moved"] == integrity["frozen_blocks_with_statistics"] == ["backbone"]
    assert integrity["frozen_statistics_as_wanted"]
    model = tftransfer.load(study / "random0-B2B-seed0")
    assert model.output_shape == (None, 3)
    trained = {w.path.split("/")[0] for w in model.trainable_weights}
    assert trained == {"logits"}, "the other blocks were frozen"
    norms = [layer for layer in model.get_layer("backbone").layers if "moving_mean" in [w.name for w in layer.weights]]
    assert norms
    assert all(layer.trainable for layer in norms), "under `adapt` moving statistics follow when it is trained on"
    kept = tftransfer.load(study / "random0-baseB-seed0").get_layer("stem").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(kept, model.get_layer("stem").get_weights(), strict=True))
    main(*words)
    assert "reused baseB, B2B" in capsys.readouterr().out


def test_a_loaded_network_predicts_from_files_what_it_was_scored_on(options, tmp_path, photographs):
    import numpy as np

    import tftransfer

    words = [*options, "--treatment=base", "--target=B", "--steps=60", "--learning_rate=0.01", "--width=0.1"]
    main(*words)
    (folder,) = (tmp_path / "runs").glob("*/random0-baseB-seed0")
    record, model, inputs = record_files.read(folder), tftransfer.load(folder), tftransfer.preprocessing(folder)
    names = [f"class{index}" for index in splits.random_split(6, 0).b]
    assert list(inputs.class_names) == list(model.preprocessing.class_names) == names
    files = sorted(path for name in names for path in (photographs / "val" / name).iterdir())
    shown = inputs.decode_predictions(model.predict(inputs(files), verbose=0), top=1)
    right = [likeliest[0][0] == path.parent.name for path, likeliest in zip(files, shown, strict=True)]
    assert record.result["top1"] == np.mean(right) > 0.4, "more than chance, so that another order would be seen"


def test_a_model_file_leaves_no_path_and_is_not_needed_afterwards(plain, tmp_path, capsys):
    import small_models
    import tftransfer

    path = tmp_path / "my nets" / "net.keras"
    path.parent.mkdir()
    small_models.chain((32, 32, 3), 7).save(path)
    words = [*plain, "--treatment=BnB", "--n=1"]
    main(*words, *other_model(path))
    (study,) = (tmp_path / "runs").iterdir()
    text = (study / "random0-B1B-seed0" / record_files.RECORD).read_text()
    assert "my nets" not in text
    assert "--model=net.keras" in json.loads(text)["command"]
    small_models.residual((32, 32, 3), 7).save(path)
    with pytest.raises(ValueError, match="holds a network of another architecture"):
        main(*words, *other_model(path))
    path.unlink()
    assert tftransfer.load(study / "random0-baseB-seed0").output_shape == (None, 3)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--model=small_models:chain", "--treatment=B3B"], "n must be 1 to 2"),
        (["--model=small_models:chain", "--treatment=BnB", "--n=three"], "or one of one, two"),
        (["--model=small_models:chain", "--treatment=B1B", "--batch_norm=adapt"], "no batch normalisation"),
        (["--model=small_models:rescaled", "--treatment=B1B", "--pixel_scale=1"], "scales its images itself"),
        (
            ["--model=small_models:chain", "--treatment=B1B", "--lr_multipliers=three:0.5"],
            "blocks of small_models:chain",
        ),
        (["--model=small_models:chain", "--treatment=B1B", "--blocks=three"], "cannot be cut after three"),
        (["--model=small_models:chain", "--treatment=B1B", "--width=1"], "width would change nothing"),
    ],
    ids=str,
)
def test_what_only_keras_can_refuse_is_refused_before_training(plain, tmp_path, more, message):
    with pytest.raises(ValueError, match=message):
        main(*plain, *more)
    assert not list(tmp_path.glob("runs/*"))


def test_list_blocks(capsys):
    assert main("--model=small_models:nested", "--list_blocks") == 0
    text = capsys.readouterr().out
    assert re.search(r"1  stem +112 +24,300  15 x 15 x 4 +stem\n", text)
    assert re.search(r"  logits +7,000 +6,000  1000 +the head, always new", text)
    assert re.search(r"\n  backbone\n  global_average_pooling2d \*", text)


def test_dry_run_of_another_model_builds_nothing_and_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(run, "_start_tensorflow", lambda _: pytest.fail("TensorFlow was loaded"))
    words = ["--model=ResNet50", "--treatment=AnB", "--dry_run", f"--runs_dir={tmp_path}"]
    assert main(*words, "--n=conv4_block6") == 0
    text = capsys.readouterr().out
    assert "not checked: --model=ResNet50 was not built, so which block --n=conv4_block6 is, and" in text
    assert re.search(r"\nAnB +not known +asked for.*; not checked: a block conv4_block6\n", text)
    assert "A1B" not in text
    assert re.search(r"baseA +to train", text)
    assert main(*words, "--n=99") == 0
    text = capsys.readouterr().out
    assert "not checked: --model=ResNet50 was not built, so whether it has that many blocks, and" in text
    assert re.search(r"\nA99B +to train +asked for.*; not checked: 99 blocks to copy\n", text)


@pytest.mark.slow
def test_ctrl_c_ends_with_a_message_and_the_next_call_goes_on(options, tmp_path):
    endless = [*options, "--steps=100000", "--evaluations=1"]
    words = [sys.executable, "-u", "-m", "tftransfer.run", "--treatment=base", "--target=B", *endless]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        # Shells start background jobs with SIGINT ignored, which a child of such a test run would inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        for line in process.stdout:
            if "training on" in line:
                break
        time.sleep(8)
        process.send_signal(signal.SIGINT)
        _, output = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == command_line.EXIT_INTERRUPTED
    assert "interrupted" in output
    assert "Traceback" not in output
    assert not list(tmp_path.glob("runs/*/*/record.json"))
    assert command("--treatment=base", "--target=B", *options).returncode == 0


def test_a_diverged_network_ends_the_run_with_its_own_exit_code(options, capsys):
    code = main("--treatment=BnB", "--n=4", *options, "--learning_rate=1e30", "--steps=60", "--warmup_steps=0")
    assert code == command_line.EXIT_FAILED
    assert "diverged" in capsys.readouterr().err


def test_what_was_converted_or_ignored_is_said(options, tmp_path, capsys):
    root = tmp_path / "photographs"
    for split in ("train", "val"):
        for name in "abcd":
            (root / split / name).mkdir(parents=True)
            for i in range(8):
                Image.new("L" if i == 0 else "RGB", (40, 40), 9 * i).save(root / split / name / f"{i}.png")
    (root / "train" / "a" / "notes.txt").write_text("no image")
    main("--treatment=base", "--target=A", *options, f"--data_dir={root}")
    text = capsys.readouterr().out
    assert "8 of mode L were converted to RGB" in text
    assert "1 ignored files" in text
