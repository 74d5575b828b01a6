"""Hostile and silly input: each ends well or in a clear message, soon, and writes nothing elsewhere."""

import contextlib
import dataclasses
import gc
import hashlib
import io
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import zlib

import hypothesis
import numpy as np
import psutil
import pytest
from hypothesis import strategies as st
from PIL import Image

import fake_study
import fault_sizes
import harness
import workloads
from tftransfer import analysis, report, run, sweep
from tftransfer.analysis import study as analysis_study
from tftransfer.cli import command_line
from tftransfer.data.datasets import open_dataset
from tftransfer.data.decode import ImageError, decode
from tftransfer.data.manifest import Manifest, StoreError
from tftransfer.data.store import Store, prepare
from tftransfer.execution import run_config
from tftransfer.experiment import grids, splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.pretrained import description
from tftransfer.records import identities, record_files, record_warnings
from tftransfer.scheduling import display, jobs, speeds, study_status
from tftransfer.scheduling.sweep_folder import SweepFolder
from tftransfer.system import escaping
from tftransfer.tensorboard_plugin import curves, folders
from tftransfer.training.checkpoints import FORMAT, Checkpoints
from tftransfer.tuning import study as tuning_study

pytestmark = pytest.mark.faults
SECONDS = 10  # for one input; more is a hang
MOST_GROWTH_BYTES = 300_000_000
MOST_BYTES_FOR_ONE_INPUT = 2_000_000_000  # a transparent image of as many pixels as are decoded at all, in some copies
CLEAR_WORDS = (
    "Expected",
    "Received",
    "expected",
    "Use",
    "Leave",
    "needs",
    "must",
    "Cannot",
    "cannot",
    "--help",
    "damaged",
    "no text",
    "does not have",
    "overwritten",
    "no value",
    "Name each once",
    "give its folder",
)
NAMES = [f"class{i}" for i in range(6)]
ODD = [
    "..", "../..", "a/b", "/etc/passwd", "a\0b", "'", '"', "`id`", "$(id)", "<script>alert(1)</script>", "a b", " ", "",
    "\U0001f600", "\u202eabc", "x" * 300, "-", "--", ".", "\udcff", "\n", "\r\n", "%s", "{}", "nul", "a:b", "a\\b",
]  # fmt: skip


class Hang(BaseException):
    """An input that takes too long."""


@pytest.fixture(autouse=True)
def _soon_and_nowhere_else(tmp_path, monkeypatch):
    """An input may take some seconds; the folder in which commands run stays empty, and memory does not grow."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def ring(*_):
        raise Hang

    before, memory, peak = signal.signal(signal.SIGALRM, ring), held_bytes(), peak_bytes()
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    assert not os.listdir(here)
    assert held_bytes() - memory < MOST_GROWTH_BYTES
    assert peak_bytes() - peak < MOST_BYTES_FOR_ONE_INPUT


def held_bytes():
    """Returns the bytes that this process holds now, after a collection of garbage."""
    gc.collect()
    return psutil.Process().memory_info().rss


def peak_bytes():
    """Returns the most bytes that this process has ever held."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def handled(tally, kind, action, what, quiet=()):
    """Does something with one input; it must end well, or in a message of our own."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    error = None
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            action()
        fine = True
    except SystemExit as ended:
        fine = ended.code in (0, None)
    except (ValueError, StoreError, *quiet) as raised:
        error = raised
        ours = command_line._raised_here(error) and any(word in str(error) for word in CLEAR_WORDS)
        fine = ours or (bool(quiet) and isinstance(error, quiet))
    except (Exception, Hang) as raised:
        error, fine = raised, False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    tally.bad_input(kind, fine)
    if not fine:
        raise AssertionError(f"{what!r}: {type(error).__name__}: {error}") from error


def mutated(rng, content: bytes) -> bytes:
    """Returns content with some bits flipped, bytes put in, left out, repeated or cut off."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(changed) + 1)
        way = rng.randrange(6)
        if way == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            changed[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif way == 2:
            del changed[at : at + rng.randrange(1, 9)]
        elif way == 3:
            del changed[at:]
        elif way == 4:
            changed[at : at + 8] = changed[at : at + 8] * 3
        elif at < len(changed):
            changed[at] = rng.choice(b'0139-+.,:"{}[]nN\0\xff')
    return bytes(changed)


def silly(rng) -> object:
    """Returns a random JSON value, most of them out of place."""
    return rng.choice(
        [None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 1e308, -1e308, 0.5, "", [], {}, [[]], {"a": 1}, *ODD]
    )


def replaced(rng, value, depth=0):
    """Returns a JSON value with something in it replaced, left out or added."""
    if isinstance(value, dict) and value and (depth == 0 or rng.random() < 0.8):
        name = rng.choice(list(value))
        rest = {key: inner for key, inner in value.items() if key != name}
        way = rng.random()
        if way < 0.15:
            return rest
        if way < 0.25:
            return value | {rng.choice(ODD): silly(rng)}
        return value | {name: replaced(rng, value[name], depth + 1)}
    return silly(rng)


def words_of(rng, alphabet, most=12):
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(most)))


@hypothesis.settings(max_examples=fault_sizes.pick(200, 5000), deadline=None, derandomize=True, database=None)
@hypothesis.given(
    st.one_of(st.text(max_size=20), st.from_regex(r"[ABRSC]([n0-9]{0,4})(A|B|all|C)\+{0,2}", fullmatch=True))
)
def parse_any(tally, text):
    def act():
        found = treatments.parse(text, n=None if any(c.isdigit() for c in text) else 3, blocks=8)
        assert treatments.parse(found.label).label == found.label

    handled(tally, "treatments", act, text)


def test_treatments(tally):
    parse_any(tally)
    rng = random.Random(0)
    alphabet = ["A", "B", "R", "S", "n", "all", "+", "4", "12", "base", "-", " ", "a", "C", "\0", "٤", "9" * 5000]
    for _ in range(fault_sizes.pick(300, 15000)):
        text, n = words_of(rng, alphabet, 5), rng.choice([None, 0, 1, 7, 8, -3, 10**30])
        target, keep = rng.choice([None, "A", "B", "all", "", "C"]), rng.choice([0, 0, 1, 9, -1, 10**30])
        release = rng.choice([0, 0, 5, -1])
        handled(tally, "treatments", lambda a=(text, n, target, 8, keep, release): treatments.parse(*a), text)


@hypothesis.settings(max_examples=fault_sizes.pick(200, 5000), deadline=None, derandomize=True, database=None)
@hypothesis.given(st.one_of(st.text(max_size=30), st.from_regex(r"[0-9,-]{0,20}", fullmatch=True)))
def numbers_any(tally, text):
    handled(tally, "grids", lambda: grids.integers(text, "seeds"), text)


def test_grids(tally):
    numbers_any(tally)
    rng, common = random.Random(1), Config(steps=10)
    values = ["1", "1-7", "0-3,5", "7-1", "0-99999999", "A", "B", "A,B", "all", "AnB", "BnB+,AnB", "RnB", "base", "",
              ",", "random", "file", "natural_manmade", "9" * 5000, "-", "conv3", *ODD]  # fmt: skip
    axes = [
        "treatments",
        "n",
        "targets",
        "split",
        "split_seeds",
        "seeds",
        "images_per_class",
        "preserve",
        "release_step",
    ]

    def split_of(kind, seed):
        return splits.make(kind, NAMES, None, seed, None)

    for _ in range(fault_sizes.pick(300, 12000)):
        chosen = rng.sample([*axes, rng.choice(ODD)], rng.randrange(1, 5))
        text = " ".join(f"{axis}={rng.choice(values)}" for axis in dict.fromkeys(["treatments", *chosen]))

        def act(text=text):
            cells = grids.union([grids.read(text, {"n": "1-2"})], common, split_of)
            assert all("/" not in cell.name and ".." not in cell.name for cell in cells)

        handled(tally, "grids", act, text)


def options_of(rng, kind):
    """Returns random options with bad values."""
    names = [field.name for field in dataclasses.fields(kind) if field.name not in ("help", "list_blocks", "dry_run")]
    values = ["0", "-1", "1", "3", "1e308", "nan", "inf", "9" * 400, "0.5", "true", "A", "B", "AnB", "auto", *ODD]
    chosen = rng.sample(names, rng.randrange(1, 5))
    return [rng.choice([f"--{name}={rng.choice(values)}", f"--{name}", f"--no{name}"]) for name in chosen]


@pytest.mark.parametrize(("main", "kind"), [(run.main, run_config.RunConfig), (sweep.main, sweep.SweepConfig)])
def test_options(main, kind, tally):
    """As far as a dry run reads them."""
    rng = random.Random(2)
    for _ in range(fault_sizes.pick(60, 2500)):
        role = "--treatment=BnB" if kind is run_config.RunConfig else "--treatments=BnB"
        words = ["run", role, "--n=2", "--dry_run", *options_of(rng, kind)]
        handled(tally, "options", lambda words=words: main(words), words, quiet=(OSError,))


def test_flag_files(tmp_path, tally):
    rng, path = random.Random(3), tmp_path / "flags"
    whole = b"# a recipe\n--width=0.5\n--batch_size=32\n--schedule=cosine\n--treatment=BnB\n--n=4\n--dataset=motifs\n"
    for _ in range(fault_sizes.pick(100, 3000)):
        path.write_bytes(mutated(rng, whole))
        words = ["run", f"--flagfile={path}"]
        handled(
            tally,
            "flag files",
            lambda words=words: command_line.parse(run_config.RunConfig, words, "usage"),
            path.read_bytes(),
        )


def test_split_files(tmp_path, tally):
    rng, path = random.Random(4), tmp_path / "split.json"
    whole = {"A": NAMES[:3], "B": NAMES[3:]}
    for number in range(fault_sizes.pick(300, 12000)):
        text = json.dumps(replaced(rng, whole) if number % 2 else whole).encode()
        path.write_bytes(mutated(rng, text) if number % 4 < 3 else text)
        handled(tally, "split files", lambda: splits.make("file", NAMES, split_file=str(path)), path.read_bytes())


def pictures():
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (12, 9, 3), dtype=np.uint8))
    for kind, mode in (("PNG", "RGB"), ("PNG", "P"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("GIF", "P"), ("BMP", "RGB"),
                       ("WEBP", "RGB"), ("TIFF", "RGB"), ("TIFF", "L")):  # fmt: skip
        buffer = io.BytesIO()
        image.convert(mode).save(buffer, kind)
        yield buffer.getvalue()


@pytest.mark.filterwarnings("ignore")
def test_images(tally):
    rng, whole = random.Random(5), list(pictures())
    for number in range(fault_sizes.pick(500, 20000)):
        content = mutated(rng, whole[number % len(whole)])
        handled(tally, "images", lambda content=content: decode(content), content[:60], quiet=(ImageError,))


def test_odd_image_files(tmp_path, tally):
    """Bombs, wrong extensions, links and pipes among the images of a folder."""
    root = tmp_path / "images"
    for index in range(12):
        path = root / ("val" if index % 4 == 3 else "train") / f"class{index // 4}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (index, 0, 0)).save(path)
    place = root / "train" / "class0"

    def bomb(path):
        """20,000 pixels a side in some kilobytes."""
        packed, squeeze = b"", zlib.compressobj(9)
        for _ in range(20_000):
            packed += squeeze.compress(bytes(2501))
        head = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
        parts = [(b"IHDR", head), (b"IDAT", packed + squeeze.flush()), (b"IEND", b"")]
        chunks = [
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in parts
        ]
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))

    def huge(path):
        with path.open("wb") as file:
            file.truncate(2**40)

    kinds = {
        "bomb.png": bomb,
        "huge.jpg": huge,
        "empty.jpg": lambda path: path.touch(),
        "text.jpg": lambda path: path.write_text("no image"),
        "pipe.png": os.mkfifo,
        "zero.png": lambda path: path.symlink_to("/dev/zero"),
        "nothing.png": lambda path: path.symlink_to("nothing"),
        "loop.png": lambda path: path.symlink_to("loop.png"),
        "circle": lambda path: path.symlink_to(root),
        "folder.png": lambda path: path.mkdir(),
        "notes.txt": lambda path: path.write_text("ignored"),
    }
    for name, make in kinds.items():
        make(place / name)
        cache = tmp_path / "cache" / name.replace(".", "-")
        handled(
            tally,
            "image files",
            lambda cache=cache: prepare(open_dataset("folder", str(root)), str(cache), 8, workers=1),
            name,
            quiet=(StoreError, OSError),
        )
        (place / name).rmdir() if name == "folder.png" else (place / name).unlink()


@pytest.mark.filterwarnings("ignore")
def test_odd_names_of_classes_and_files(tmp_path, tally):
    root, made = tmp_path / "images", []
    for name in ODD:
        folder = root / "train" / name
        if name in ("", ".", "..") or "/" in name or "\0" in name or len(name) > 255:
            continue
        folder.mkdir(parents=True)
        made.append(name)
        for index in range(3):
            Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / f"{name[:60]}{index}.png".replace("/", ""))
    os.rename(root / "train", root / "all")
    store = prepare(open_dataset("folder", str(root / "all")), str(tmp_path / "cache"), 8, workers=1)
    assert sorted(store.class_names) == sorted(made)
    for name in ODD:
        whole = {"A": made[: len(made) // 2], "B": [*made[len(made) // 2 :], name]}
        path = tmp_path / "split.json"
        path.write_text(json.dumps(whole))
        handled(tally, "odd names", lambda at=path: splits.make("file", store.class_names, split_file=str(at)), name)
        words = ["run", "--treatment=BnB", "--n=2", f"--study={name}", "--dry_run"]
        handled(tally, "odd names", lambda words=words: run.main(words), name)
        for option in ("runs_dir", "cache_dir", "data_dir", "split_file", "dataset", "model"):
            words = ["run", "--treatment=BnB", "--n=2", f"--{option}={name}", "--dry_run"]
            handled(tally, "odd names", lambda words=words: run.main(words), words, quiet=(OSError,))
    assert {path.name for path in tmp_path.iterdir()} <= {"images", "cache", "split.json", "here"}


def test_studies_with_odd_names_are_reported(tmp_path, tally):
    for name in ("<script>alert(1)</script>".replace("/", ""), "a b", "'\"", "\U0001f600", "x" * 200):
        study = tmp_path / name
        fake_study.write(study, "base", 0.6, target="B")
        fake_study.write(study, "A1B", 0.5)
        words = ["report", f"--study={study}", "--format=md,csv", f"--out={tmp_path / 'out'}"]
        handled(tally, "odd names", lambda words=words: report.main(words), name)
        text = (tmp_path / "out" / "report.md").read_text()
        assert "<script>" not in re.sub("```.*?```|`[^`]*`", "", text, flags=re.DOTALL), "but in code, which is shown"
        assert "\n" not in escaping.terminal(name)


def test_records(tmp_path, tally):
    """Mutations of bytes, and of records that say the SHA-256 of what was changed in them."""
    rng = random.Random(6)
    cell = fake_study.cell("A1B")
    whole = fake_study.write(tmp_path / "study", "A1B", 0.5)
    path = whole.folder / record_files.RECORD
    content, text = json.loads(path.read_text()), path.read_bytes()

    def act():
        record = record_files.read(whole.folder)
        assert record.content["sha256"] == content["sha256"], "a changed record was taken for the one written"

    for _ in range(fault_sizes.pick(300, 8000)):
        path.write_bytes(mutated(rng, text))
        handled(tally, "records", act, path.read_bytes()[:80])

    def use():
        record = record_files.read(whole.folder)
        identities.check(record, cell)

    for _ in range(fault_sizes.pick(300, 8000)):
        changed = forged(replaced(rng, content))
        path.write_text(json.dumps(changed))
        handled(tally, "records with right hashes", use, changed)
    path.write_bytes(text)
    assert record_warnings.warnings_of(record_files.read(whole.folder).content) == []


def forged(content):
    """Returns a record's content with hashes that match its changed parts."""
    if not isinstance(content, dict):
        return content
    rest = {name: value for name, value in content.items() if name != "sha256"}
    if isinstance(rest.get("identity"), dict):
        rest["key"] = record_files.key(rest["identity"])
    return rest | {"sha256": record_files._content_digest(rest)}


def test_studies_with_a_foreign_record_are_shown_without_it(tmp_path, tally):
    """All that reads a whole study, with one record whose hashes are right and whose parts are not."""
    rng, study = random.Random(12), tmp_path / "study"
    for label, top1 in (("base", 0.6), ("A1B", 0.5), ("B1B", 0.55)):
        fake_study.write(study, label, top1, target="B" if label == "base" else None)
    path = fake_study.write(study, "A2B", 0.5).folder / record_files.RECORD
    content = json.loads(path.read_text())

    def act():
        display.text(study_status.look(study))
        found = analysis_study.read(study)
        assert len(found.records) + len(found.unreadable) == 4
        analysis.effects(analysis.networks(found))
        curves.Curves().read(folders.Folders(str(study)).all()["study"])

    for number in range(fault_sizes.pick(20, 300)):
        changed = forged(replaced(rng, content))
        path.write_text(json.dumps(changed))
        handled(tally, "studies with a foreign record", act, changed)
        if number % fault_sizes.pick(10, 100) == 0:
            words = ["report", f"--study={study}", "--format=md,csv,html", f"--out={tmp_path / 'out'}"]
            handled(tally, "studies with a foreign record", lambda words=words: report.main(words), changed)


def _sparse(path, size):
    with path.open("wb") as file:
        file.truncate(size)


ODD_FILES = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
    "3 GB": lambda path: _sparse(path, 3 * 2**30),
    "50 GB": lambda path: _sparse(path, 50 * 2**30),
    "deep": lambda path: path.write_text("[" * 200_000 + "]" * 200_000),
    "not so deep": lambda path: path.write_text('{"a":' * 500 + "1" + "}" * 500),
    "many lists": lambda path: path.write_text("[" + "[]," * 5_000_000 + "[]]"),
    "a number of 4000 digits": lambda path: path.write_text('{"format": ' + "1" * 4000 + "}"),
    "infinite": lambda path: path.write_text('{"format": 1e999}'),
    "no text": lambda path: path.write_bytes(b"\xff\xfe"),
    "twice": lambda path: path.write_text('{"format": 1, "format": 2}'),
    "circle": lambda path: path.symlink_to(path),
    "list": lambda path: path.write_text("[1, 2]"),
    "nothing": lambda path: path.write_text("null"),
}


def small_files_of(folder):
    """Returns small files that anybody may have written, by kind: path and reader."""
    study, weights, split, flags = folder / "study", folder / "w.weights.h5", folder / "split.json", folder / "flags"
    weights.touch()
    nested = folder / "nested"
    nested.write_text(f"--flagfile={flags}\n")
    options, cell, sweep_folder = Config(cache_dir=str(folder / "cache")), workloads.cells()[-1], SweepFolder(study)
    record, tuned = study / "x" / record_files.RECORD, folder / "tune"

    def options_in(path):
        return lambda: command_line.parse(run_config.RunConfig, ["run", f"--flagfile={path}"], "usage")

    return {
        "record": (record, lambda: record_files.read(record.parent)),
        "record, seen by --status": (record, lambda: display.text(study_status.look(study))),
        "record, seen by report": (record, lambda: analysis_study.read(study)),
        "split": (split, lambda: splits.make("file", NAMES, split_file=str(split))),
        "description": (description.beside(weights), lambda: description.read(weights)),
        "speeds": (speeds.path_of(options), lambda: speeds.known(options)),
        "plan": (sweep_folder.folder / "plan.json", sweep_folder.plan),
        "heartbeat": (sweep_folder.jobs / "job.heartbeat.json", sweep_folder.heartbeats),
        "end": (sweep_folder.jobs / "job.end.json", lambda: jobs.ended(sweep_folder.jobs, "job", 0)),
        "failure": (
            sweep_folder.folder / "failed" / f"{cell.name}.json",
            lambda: (sweep_folder.failures(), sweep_folder.failure(cell)),
        ),
        "search": (tuned / "study.json", lambda: tuning_study.Study(tuned, {})),
        "trial": (tuned / "trials" / "001" / "trial.json", lambda: tuning_study.Study(tuned, {}).trials()),
        "flag file": (flags, options_in(flags)),
        "flag file in a flag file": (flags, options_in(nested)),
    }


@pytest.mark.parametrize("name", ODD_FILES)
def test_odd_files_in_the_place_of_small_ones(name, tmp_path, tally):
    for kind, (place, read) in small_files_of(tmp_path).items():
        place.parent.mkdir(parents=True, exist_ok=True)
        ODD_FILES[name](place)
        handled(tally, f"odd files: {kind}", read, (kind, name), quiet=(OSError,))
        if place.is_dir():
            place.rmdir()
        else:
            place.unlink()


def test_checkpoints(tmp_path, tally):
    rng = random.Random(7)
    first = Checkpoints(tmp_path / "c", say=lambda line: None)
    first.restore({"a": 1})
    first.save(3, {"x": np.arange(50.0)}, {"n": 1})
    (path,) = (tmp_path / "c").glob("*.npz")
    whole, output = path.read_bytes(), []

    def act():
        found = Checkpoints(tmp_path / "c", say=output.append).restore({"a": 1})
        assert found is None or found.step == 3

    for _ in range(fault_sizes.pick(150, 4000)):
        changed = mutated(rng, whole)
        path.write_bytes(changed)
        handled(tally, "checkpoints", act, changed[:40])
        assert path.exists() == (changed == whole), "a damaged one is gone"


def test_checkpoints_with_the_digest_of_what_was_made_of_them(tmp_path, tally):
    rng, buffer = random.Random(8), io.BytesIO()
    notes = json.dumps({"identity": {"format": FORMAT, "a": 1}})
    np.savez(buffer, notes=np.frombuffer(notes.encode(), np.uint8), x=np.arange(9.0))
    for _ in range(fault_sizes.pick(100, 3000)):
        changed = mutated(rng, buffer.getvalue())
        folder = tmp_path / "c"
        folder.mkdir(exist_ok=True)
        path = folder / f"000001-step1-{hashlib.sha256(changed).hexdigest()}.npz"
        path.write_bytes(changed)
        handled(tally, "checkpoints", lambda at=folder: Checkpoints(at, say=str).restore({"a": 1}), changed[:40])
        path.unlink(missing_ok=True)
        for aside in tmp_path.glob("c.aside-*"):  # three may be there; a fourth training is refused
            shutil.rmtree(aside)


def test_manifests(tmp_path, tally):
    root = tmp_path / "images"
    for index in range(8):
        path = root / f"class{index % 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (index, 0, 0)).save(path)
    store = prepare(open_dataset("folder", str(root)), str(tmp_path / "cache"), 8, workers=1)
    path = pathlib.Path(store.path, "store.json")
    rng, whole = random.Random(9), path.read_bytes()
    for number in range(fault_sizes.pick(200, 6000)):
        changed = mutated(rng, whole) if number % 2 else json.dumps(replaced(rng, json.loads(whole))).encode()
        path.write_bytes(changed)

        def act():
            assert Store.open(store.path).fingerprint == store.fingerprint

        handled(tally, "store manifests", act, changed[:80])
    path.write_bytes(whole)
    assert Manifest.read(store.path).fingerprint == store.fingerprint


def test_sweep_folders(tmp_path, tally):
    rng, study = random.Random(10), tmp_path / "study"
    harness.complete("sweep", study)
    sweep_folder, cells = SweepFolder(study), workloads.cells()
    sweep_folder.write_failure(cells[-1], "a reason")
    heartbeat = {"networks": {cells[-1].name: 0.5}, "step": 1, "steps": 2, "images_per_second": 1.0, "time": 1e9,
            "started": 1e9, "where": "here 1"}  # fmt: skip
    files = {
        sweep_folder.folder / "plan.json": json.loads((sweep_folder.folder / "plan.json").read_text()),
        sweep_folder.jobs / "job.heartbeat.json": heartbeat,
        sweep_folder.folder / "failed" / f"{cells[-1].name}.json": {"reason": "a", "time": 1.0, "recipe": {}},
    }
    sweep_folder.jobs.mkdir(exist_ok=True)
    records = {}
    study_status.look(study, records)
    for number in range(fault_sizes.pick(150, 6000)):
        path, whole = rng.choice(list(files.items()))
        changed = json.dumps(replaced(rng, whole)).encode()
        path.write_bytes(mutated(rng, changed) if number % 3 == 0 else changed)

        def act():
            display.text(study_status.look(study, records))
            SweepFolder(study).failure(cells[-1])
            assert SweepFolder(study).heartbeats(1e9).keys() <= {"job"}

        handled(tally, "sweep folders", act, (path.name, path.read_bytes()[:200]))
        path.write_text(json.dumps(whole))


def test_speeds(tmp_path, tally):
    rng, options = random.Random(11), Config(cache_dir=str(tmp_path / "cache"))
    speeds.remember(options, "base", 0.25, start_seconds=3.0)
    path = speeds.path_of(options)
    whole = json.loads(path.read_text())

    def act():
        found = speeds.known(options)
        if found:
            sum(found.seconds_per_step.values()) / 3600
            max(found.start_seconds.values(), default=0.0) / 3600

    for number in range(fault_sizes.pick(150, 4000)):
        changed = json.dumps(replaced(rng, whole)).encode()
        path.write_bytes(mutated(rng, changed) if number % 2 else changed)
        handled(tally, "speeds.json", act, changed[:80])
    speeds.remember(options, "base", 0.5)
    assert speeds.known(options).seconds_per_step["base"] == 0.5, "written anew"


BUILD = "def build(shape, classes): pass\n"  # looked for before the module is imported
USER_CODE = {
    "raises": f"raise ValueError('at import')\n{BUILD}",
    "exits": f"import sys; sys.exit()\n{BUILD}",
    "exits later": "import sys\ndef build(shape, classes): sys.exit(0)",
    "prints": "import sys\nfor _ in range(10**6): print('noise', file=sys.stderr)\nraise ImportError('noisy')\n"
    + BUILD,
    "gives nothing": "def build(shape, classes): pass",
    "moves": "import os\nos.chdir('/')\ndef build(shape, classes): os.chdir('/'); return 3",
}


def user_command(folder, code):
    """Starts `run` with a user's own function."""
    (folder / "nets.py").write_text(code)
    words = [sys.executable, "-m", "tftransfer.run", "--model=nets:build", "--list_blocks", f"--cache_dir={folder}"]
    path = os.pathsep.join([str(folder), str(harness.TESTS.parent)])
    environment = os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("kind", USER_CODE)
def test_code_of_a_user_ends_in_one_message(kind, tmp_path, tally):
    out, err = user_command(tmp_path, USER_CODE[kind]).communicate(timeout=harness.LONGEST_SECONDS)
    ours = [line for line in err.splitlines() if line != "noise"]  # what the module itself prints is its own affair
    fine = not out and len(ours) == 1 and "nets:build" in ours[0] and err.endswith(f"{ours[0]}\n")
    tally.bad_input("a user's own model", fine)
    assert fine, (out[-500:], err[-2000:])


@pytest.mark.parametrize("place", ["at import", "in the function"])
def test_code_of_a_user_that_never_returns_ends_with_ctrl_c(place, tmp_path, tally):
    loop = "open('begun', 'w').close()\nwhile True: pass\n"
    if place == "at import":
        loop += BUILD
    if place == "in the function":
        loop = "def build(shape, classes):\n" + "".join(f"    {line}\n" for line in loop.splitlines())
    process = user_command(tmp_path, loop)
    begun = tmp_path / "begun"
    harness.wait_for(lambda: begun.exists() or process.poll() is not None, harness.LONGEST_SECONDS)
    assert begun.exists(), process.communicate()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=harness.LONGEST_SECONDS)
    fine = process.returncode == command_line.EXIT_INTERRUPTED and len(err.strip().splitlines()) == 1
    tally.bad_input("a user's own model", fine)
    assert fine, (process.returncode, err[-2000:])
