"""Files of models and weights that are small and ask for much: each refused in one message, soon, in little memory."""

import json
import random
import struct
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from test_inputs import _soon_and_nowhere_else, handled, mutated, replaced  # noqa: F401 (a fixture)

import fault_sizes
import pretrained_files
from tftransfer.models import architectures, archive
from tftransfer.models.options import ModelOptions
from tftransfer.pretrained import files

pytestmark = pytest.mark.faults
TRIALS = fault_sizes.pick(2, 20)  # of each bomb, of other sizes
CLASSES, SIDE = 4, 32


def refused(tally, kind, action, what):
    """Does something with a bomb; unlike `handled`, ending well is a fault, too."""

    def act():
        action()
        raise AssertionError("it was taken")

    handled(tally, kind, act, what, quiet=(ValueError,))


def packed(path, content, name="config.json", packing=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", packing, compresslevel=9) as made:
        made.writestr(name, content)
    return path


def lies_about_its_size(path, content):
    """A small size in both places in which the archive says it."""
    packed(path, content)
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", len(content)), struct.pack("<I", 100)))


ARCHIVES = {
    "huge": lambda path, n: packed(path, b" " * (30_000_000 + 10_000_000 * n)),
    "huge, which it hides": lambda path, n: lies_about_its_size(path, b" " * (30_000_000 + n)),
    "deep": lambda path, n: packed(path, "[" * 10_000 * (n + 1), packing=zipfile.ZIP_STORED),
    "deep, and packed": lambda path, n: packed(path, '{"a":' * 10_000 * (n + 1)),
    "many lists": lambda path, n: packed(path, "[" + "[]," * (1_000_000 + n) + "[]]", packing=zipfile.ZIP_STORED),
    "another packing": lambda path, n: packed(path, " " * n, packing=(zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)[n % 2]),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives(kind, tmp_path, tally):
    path = tmp_path / "net.keras"
    for number in range(TRIALS):
        ARCHIVES[kind](path, number)
        refused(tally, f".keras bomb: {kind}", lambda: archive.configuration(path), (kind, number))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The description of a small network, as Keras writes it."""
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(8, 3, activation="relu")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(x))
    path = tmp_path_factory.mktemp("network") / "net.keras"
    keras.Model(inputs, layers.Dense(CLASSES)(x)).save(path)
    with zipfile.ZipFile(path) as made:
        return json.loads(made.read("config.json"))


def of_kind(content, kind):
    return [layer["config"] for layer in content["config"]["layers"] if layer["class_name"] == kind]


def more_filters(content, n):
    for layer in of_kind(content, "Conv2D"):
        layer["filters"] = 10_000_000 + n


def more_layers(content, n):
    content["config"]["layers"] *= 20_000 + n


NETWORKS = {
    "10^7 filters": more_filters,
    "10^12 units": lambda content, n: of_kind(content, "Dense")[0].update(units=10**12 + n),
    "a kernel of 10^6 pixels a side": lambda content, n: of_kind(content, "Conv2D")[0].update(
        kernel_size=[10**6 + n] * 2
    ),
    "100,000 layers": more_layers,
    "an image of 10^9 pixels a side": lambda content, n: of_kind(content, "InputLayer")[0].update(
        batch_shape=[None, 10**9 + n, 10**9, 3]
    ),
}


def build(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return architectures.build(ModelOptions(str(path), SIDE), CLASSES)


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks(kind, network, tmp_path, tally):
    """Of the last kind Keras is told another size, that of the images, and may build it."""
    for number in range(TRIALS):
        content = json.loads(json.dumps(network))
        NETWORKS[kind](content, number)
        path = packed(tmp_path / f"net{number}.keras", json.dumps(content), packing=zipfile.ZIP_STORED)
        check = handled if "image" in kind else refused
        check(tally, f".keras bomb: {kind}", lambda path=path: build(path), (kind, number))


class NamedError(ValueError):
    """A refusal in one line that names the file."""


def build_or_say(path):
    try:
        build(path)
    except ValueError as error:
        if path.name in str(error) and "\n" not in str(error):
            raise NamedError(str(error)) from error
        raise


def test_changed_descriptions_of_networks(network, tmp_path, tally):
    rng = random.Random(20)
    whole = json.dumps(network).encode()
    for number in range(fault_sizes.pick(20, 400)):
        content = json.dumps(replaced(rng, network)) if number % 2 else mutated(rng, whole)
        path = packed(tmp_path / f"net{number}.keras", content, packing=zipfile.ZIP_STORED)
        kind, quiet = "descriptions of .keras files", (NamedError,)
        handled(tally, kind, lambda at=path: build_or_say(at), content[:200], quiet=quiet)
        path.unlink()


def many_names(path, n, once=False):
    """One array under so many names."""
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=np.zeros(9, "float32"))
        for number in range(1 if once else 30_000 + n):
            file[f"again{number}"] = file["a"]


def circles(path, n):
    with h5py.File(path, "w") as file:
        group = file
        for number in range(n + 1):
            group = group.create_group(f"g{number}")
        group["round"] = file["/"]


def deep_groups(path, n):
    with h5py.File(path, "w") as file:
        file.create_dataset("/".join("g" * (40 + n)), data=np.zeros(9, "float32"))


def wide_groups(path, n):
    with h5py.File(path, "w") as file:
        for number in range(21_000 + n):
            file.create_group(f"g{number}")


def packed_zeros(path, n):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", shape=(10**9 + n,), dtype="float32", chunks=(10**6,), compression="gzip")


def empty_arrays(path, n):
    """A million of them, each of no bytes."""
    header = ",".join(f'"{i:x}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for i in range(1_000_000 + n))
    path.write_bytes(struct.pack("<Q", len(header) + 2) + f"{{{header}}}".encode())


def fewer_empty_arrays(path, n):
    """As many as a header of the largest length holds."""
    header = ",".join(f'"{i:x}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for i in range(120_000 + n))
    path.write_bytes(struct.pack("<Q", len(header) + 2) + f"{{{header}}}".encode())


def long_header(path, n):
    path.write_bytes(struct.pack("<Q", 2**60 + n) + b"{}")


def endless_shapes(path, n):
    """No bytes, by a side of 0 beside sides whose product is beyond any number of a machine."""
    header = f'{{"a":{{"dtype":"F32","shape":[0,{2**63 - 1 - n},{2**63 - 1}],"data_offsets":[0,0]}}}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())


WEIGHTS = {
    "30,000 hard links": ("f.weights.h5", many_names),
    "one hard link": ("f.weights.h5", lambda path, n: many_names(path, n, once=True)),
    "groups in a circle": ("f.weights.h5", circles),
    "groups 40 deep": ("f.weights.h5", deep_groups),
    "21,000 groups": ("f.weights.h5", wide_groups),
    "4 GB of packed zeros": ("f.weights.h5", packed_zeros),
    "10^6 empty arrays": ("f.safetensors", empty_arrays),
    "120,000 empty arrays": ("f.safetensors", fewer_empty_arrays),
    "a header of 2^60 bytes": ("f.safetensors", long_header),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights(kind, tmp_path, tally):
    name, make = WEIGHTS[kind]
    for number in range(TRIALS):
        path = tmp_path / name
        make(path, number)
        refused(tally, f"weights: {kind}", lambda path=path: files.listing(path), (kind, number))
        content = path.read_bytes()
        refused(
            tally, f"weights: {kind}", lambda path=path, content=content: files.listing(path, content), (kind, number)
        )
        path.unlink()


def test_shapes_whose_product_no_machine_holds_are_listed_or_refused(tmp_path, tally):
    path = tmp_path / "f.safetensors"
    for number in range(TRIALS):
        endless_shapes(path, number)
        handled(tally, "weights: endless shapes", lambda: files.listing(path), number, quiet=(ValueError,))


def test_a_good_file_is_listed(tmp_path):
    for suffix in (".weights.h5", ".safetensors"):
        assert len(files.listing(pretrained_files.make(tmp_path, suffix))) == 4
