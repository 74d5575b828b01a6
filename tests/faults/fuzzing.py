"""Feeds one reader of bytes with what coverage makes of good files, until a time is over; a traceback ends it.

    python tests/faults/fuzzing.py TARGET FOLDER [-max_total_time=20 -runs=N -rss_limit_mb=2048 ...]

FOLDER must exist; it takes the file that is read and what libFuzzer keeps. Needs atheris, which has no extra of its
own: `pip install atheris`. Started by `test_fuzzing.py`.
"""

import contextlib
import hashlib
import io
import json
import pathlib
import sys

import atheris
import numpy as np
from absl import logging

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

with atheris.instrument_imports(include=["tftransfer", "PIL", "absl.flags", "json"]):
    from PIL import Image

    import fake_study
    import pretrained_files
    from tftransfer.cli import command_line
    from tftransfer.data.decode import ImageError, decode
    from tftransfer.data.manifest import Manifest, StoreError
    from tftransfer.execution import run_config
    from tftransfer.experiment import splits
    from tftransfer.pretrained import description, files, hdf5, safetensors  # noqa: F401 (instrumented before first use)
    from tftransfer.records import record_files
    from tftransfer.training.checkpoints import FORMAT, Checkpoints

NAMES = [f"class{i}" for i in range(6)]
OURS = (ValueError, StoreError)


def read_image(content: bytes, folder: pathlib.Path) -> None:
    with contextlib.suppress(ImageError):
        decode(content)


def read_record(content: bytes, folder: pathlib.Path) -> None:
    (folder / record_files.RECORD).write_bytes(content)
    with contextlib.suppress(ValueError):
        record_files.read(folder)


def read_split(content: bytes, folder: pathlib.Path) -> None:
    path = folder / "split.json"
    path.write_bytes(content)
    with contextlib.suppress(ValueError):
        splits.make("file", NAMES, split_file=str(path))


def read_flagfile(content: bytes, folder: pathlib.Path) -> None:
    path = folder / "flags"
    path.write_bytes(content)
    with contextlib.suppress(SystemExit, ValueError), contextlib.redirect_stderr(io.StringIO()):
        command_line.parse(run_config.RunConfig, ["run", f"--flagfile={path}"], "usage")


def read_manifest(content: bytes, folder: pathlib.Path) -> None:
    (folder / "store.json").write_bytes(content)
    with contextlib.suppress(*OURS):
        Manifest.read(str(folder))


def read_checkpoint(content: bytes, folder: pathlib.Path) -> None:
    """As if its maker had known its SHA-256, too."""
    path = folder / f"000001-step1-{hashlib.sha256(content).hexdigest()}.npz"
    path.write_bytes(content)
    Checkpoints(folder, say=lambda line: None).restore({"a": 1})
    path.unlink(missing_ok=True)


def read_description(content: bytes, folder: pathlib.Path) -> None:
    path = folder / "w.weights.h5"
    path.touch()
    description.beside(path).write_bytes(content)
    with contextlib.suppress(ValueError):
        description.read(path)


def reader_of_weights(name: str):
    def read(content: bytes, folder: pathlib.Path) -> None:
        path = folder / name
        path.write_bytes(content)
        with contextlib.suppress(ValueError):
            files.listing(path)

    return read


def seeds_of(target: str, folder: pathlib.Path) -> list[bytes]:
    """Returns good files to begin with."""
    if target == "image":
        images = []
        for kind, mode in (("PNG", "RGB"), ("PNG", "P"), ("JPEG", "L"), ("GIF", "P"), ("WEBP", "RGB"), ("TIFF", "RGB")):
            buffer = io.BytesIO()
            Image.new(mode, (9, 7), 5 if mode in "LP" else (1, 2, 3)).save(buffer, kind)
            images.append(buffer.getvalue())
        return images
    if target == "record":
        record = fake_study.write(folder / "study", "A1B", 0.5)
        whole = (record.folder / record_files.RECORD).read_bytes()
        return [whole, b"{}"]
    if target == "split":
        return [json.dumps({"A": NAMES[:3], "B": NAMES[3:]}).encode(), b"[]"]
    if target == "flagfile":
        return [b"# a recipe\n--width=0.5\n--treatment=BnB\n--n=4\n", b"--flagfile=/dev/null\n"]
    if target == "manifest":
        from tftransfer.data.datasets import open_dataset
        from tftransfer.data.store import prepare

        for index in range(4):
            path = folder / "images" / f"class{index % 2}" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (index, 0, 0)).save(path)
        store = prepare(open_dataset("folder", str(folder / "images")), str(folder / "cache"), 8, workers=1)
        return [pathlib.Path(store.path, "store.json").read_bytes()]
    if target == "checkpoint":
        buffer = io.BytesIO()
        notes = json.dumps({"identity": {"format": FORMAT, "a": 1}})
        np.savez(buffer, notes=np.frombuffer(notes.encode(), np.uint8), x=np.arange(9.0))
        return [buffer.getvalue()]
    kind = ".safetensors" if target == "safetensors" else ".weights.h5"
    path = pretrained_files.make(folder, kind)
    return [description.beside(path).read_bytes() if target == "description" else path.read_bytes()]


READERS = {
    "image": read_image,
    "record": read_record,
    "split": read_split,
    "flagfile": read_flagfile,
    "manifest": read_manifest,
    "checkpoint": read_checkpoint,
    "description": read_description,
    "hdf5": reader_of_weights("f.weights.h5"),
    "safetensors": reader_of_weights("f.safetensors"),
}


def main() -> None:
    """Fuzzes one reader."""
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    logging.set_verbosity(logging.FATAL)
    corpus, place = folder / "corpus", folder / "read"
    corpus.mkdir()
    place.mkdir()
    for number, content in enumerate(seeds_of(target, folder)):
        (corpus / f"seed{number}").write_bytes(content)
    read = READERS[target]
    atheris.Setup(
        [
            sys.argv[0],
            "-timeout=10",
            "-rss_limit_mb=4096",
            "-seed=1",
            f"-artifact_prefix={folder}/",
            *sys.argv[3:],
            str(corpus),
        ],
        lambda content: read(content, place),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
