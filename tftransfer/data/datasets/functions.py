"""`module:function`: a function that returns images and labels. It is called once, in a process of its own.

    python -m tftransfer.data.datasets.functions REQUEST.json ANSWER.json

What it returns is written into the cache as `arrays`, in a folder named by its content; all else reads that.
"""

import difflib
import importlib
import inspect
import json
import pathlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from tftransfer.data.datasets import arrays
from tftransfer.data.datasets.dataset import Dataset, DataSetError
from tftransfer.system import atomic, escaping, processes, untrusted_files, user_code

MODULE = "tftransfer.data.datasets.functions"
RETURNS = "(images, labels), ((images, labels), (images, labels)), a tf.data.Dataset of pairs, or a Dataset"
# Unlike a version of TensorFlow Datasets, as in cifar100:3.0.2, the second name starts with a letter.
_SPELLING = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_INTERRUPTED = 130


def is_function(dataset: str) -> bool:
    """Whether a data set is made by a function, `module:function`.

    Example:
        >>> is_function("birds:load"), is_function("cifar100:3.0.2")
        (True, False)
    """
    return bool(_SPELLING.fullmatch(dataset))


def write_to_cache(dataset: str, data_dir: str | None, cache_dir: str) -> str:
    """Calls a function in a process of its own, and writes what it returns into the cache.

    Args:
        dataset: `module:function`. The function takes no arguments, or the folder `data_dir` where that is given.
        data_dir: Folder for the function, or None.
        cache_dir: Folder of the cache.

    Returns:
        The folder, for `open_dataset("arrays", folder)`; the same for the same content.

    Raises:
        DataSetError: If there is no such function, it fails, or returns something else.
    """
    if dataset.startswith("__main__:"):
        raise DataSetError(
            f"A function of a notebook or script cannot be called from another process. Write its arrays there, with "
            f"tftransfer.data.datasets.arrays.write, and use --dataset=arrays --data_dir=FOLDER. Received: {dataset}"
        )
    request = {"dataset": dataset, "data_dir": data_dir, "cache_dir": str(cache_dir)}
    with tempfile.TemporaryDirectory() as folder:
        answer = processes.ask(MODULE, request, pathlib.Path(folder), shown=True)
    if answer.content is None:
        how = answer.reason or f"ended the process with exit code {answer.code}"
        raise DataSetError(f"The function of --dataset={dataset} {how}. Call it alone in Python to see why.")
    if answer.content["fault"]:
        raise DataSetError(answer.content["fault"])
    return answer.content["folder"]


def main(argv: list[str]) -> None:
    """Calls the function of a request, and writes the folder or the fault as JSON."""
    request = untrusted_files.read_json(argv[1])
    answer = {"folder": "", "fault": ""}
    try:
        answer["folder"] = _called(request["dataset"], request["data_dir"], request["cache_dir"])
    except ValueError as error:
        answer["fault"] = str(error)
    except OSError as error:
        answer["fault"] = f"Cannot write the images into {request['cache_dir']}: {error}. Choose another --cache_dir."
    atomic.write_text(pathlib.Path(argv[2]), json.dumps(answer))


def _called(dataset: str, data_dir: str | None, cache_dir: str) -> str:
    """Calls a function, and writes what it returns."""
    function = _function(dataset, data_dir)
    given = (data_dir,) if data_dir else ()
    # Generators and data sets run the function's code while they are read.
    with user_code.guarded(f"The data set {dataset} cannot be read", ours=True):
        with user_code.guarded(f"The function of --dataset={dataset} failed"):
            result = function(*given)
        try:
            return _written(result, cache_dir)
        except DataSetError as error:
            raise DataSetError(f"--dataset={dataset}: {error}") from error


def _function(dataset: str, data_dir: str | None) -> Callable[..., Any]:
    """Returns the function; raises ValueError if there is none that takes what it will be given."""
    module, _, name = dataset.partition(":")
    with user_code.guarded(f"Cannot import the module of --dataset={dataset}"):
        imported = importlib.import_module(module)
        function = getattr(imported, name, None)
    if not callable(function):
        near = difflib.get_close_matches(name, [each for each in dir(imported) if not each.startswith("_")], n=3)
        hint = f" Did you mean {' or '.join(f'{module}:{each}' for each in near)}?" if near else ""
        raise DataSetError(f"There is no function {name} in the module {module}. Received: --dataset={dataset}.{hint}")
    try:
        inspect.signature(function).bind(*([data_dir] if data_dir else []))
    except TypeError as error:
        expected = "the folder --data_dir: def load(data_dir)" if data_dir else "no argument without --data_dir"
        raise DataSetError(
            f"The function of --dataset={dataset} must take {expected}. Received: {escaping.terminal(error)}"
        ) from error
    except ValueError:  # functions in C may have no signature
        pass
    return function


def _written(result: Any, cache_dir: str) -> str:
    """Writes what a function returned; returns the folder."""
    if isinstance(result, Dataset):
        train, val = (_pairs(result, subset) for subset in ("train", "val"))
        return arrays.write_pairs_to_cache(train, cache_dir, val, result.class_names)
    if isinstance(result, tuple | list) and len(result) == 2:
        if all(isinstance(subset, tuple) and len(subset) == 2 for subset in result):
            return arrays.write_to_cache(*result[0], cache_dir, validation=result[1])
        return arrays.write_to_cache(*result, cache_dir)
    if hasattr(result, "as_numpy_iterator") or isinstance(result, Iterator):
        return arrays.write_pairs_to_cache(result, cache_dir)
    kind = f"{type(result).__name__} of {len(result)}" if isinstance(result, tuple | list) else type(result).__name__
    raise DataSetError(f"The function must return {RETURNS}. Received: {kind}")


def _pairs(dataset: Dataset, subset: str) -> Iterator[tuple[Any, str]]:
    for example in dataset.examples(subset):
        yield example.load(), dataset.class_names[example.label]


if __name__ == "__main__":
    try:
        main(sys.argv)
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
