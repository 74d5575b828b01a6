import pytest

from tftransfer.data.datasets import DataSetError, describe_classes, open_dataset
from tftransfer.data.datasets.functions import is_function, write_to_cache

MODULE = """
import os
import numpy as np

def load():
    with open(os.path.join(os.environ["PYTHONPATH"].split(os.pathsep)[-1], "calls"), "a") as file:
        file.write("x")
    return np.random.default_rng(0).integers(0, 256, (24, 6, 6, 3), dtype=np.uint8), np.arange(24) % 4

def gone():
    import os
    os._exit(9)

def closes():
    import os, sys
    sys.stdout.close(); sys.stderr.close(); os.close(1); os.close(2); os.chdir("/")
    return load()

def broken():
    raise LookupError("in\\ntwo lines")
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("name", ["mine:load", "a.b_2.c:make", "__main__:load"])
def test_functions_are_told_from_data_sets(name):
    assert is_function(name)


@pytest.mark.parametrize("name", ["motifs", "cifar100:3.0.2", "cifar10/plain:1.*.*", "a:b:c", "mine:", "mine/py:load"])
def test_data_sets_are_no_functions(name):
    assert not is_function(name)


def test_a_function_is_called_once_and_its_content_is_its_folder(here):
    folder = write_to_cache("mine:load", None, here / "cache")
    assert len(open_dataset("arrays", folder).class_names) == 4
    assert (here / "calls").read_text() == "x"
    assert write_to_cache("mine:load", None, here / "cache") == folder
    assert describe_classes("mine:load")[0] == ("0", "1", "2", "3")
    dataset = open_dataset("mine:load")
    assert (dataset.name, dataset.identity) == ("arrays", open_dataset("arrays", folder).identity)


def test_closed_streams_and_another_folder_do_no_harm(here):
    assert write_to_cache("mine:closes", None, here / "cache") == write_to_cache("mine:load", None, here / "cache")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine:broken", "function of --dataset=mine:broken failed: LookupError: in two lines$"),
        ("mine:gone", "ended the process with exit code 9"),
        ("mine:laod", r"no function laod in the module mine\. .*Did you mean mine:load"),
        ("nothing.here:load", "Cannot import the module.*ModuleNotFoundError.*in this folder"),
        ("__main__:load", "notebook or script.*--dataset=arrays"),
    ],
)
def test_every_fault_has_one_message(here, name, message):
    with pytest.raises(DataSetError, match=message):
        write_to_cache(name, None, here / "cache")
