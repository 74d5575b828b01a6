"""The process in which a function `module:function` is called, and its images are written into the cache.

python -m tftransfer.data.datasets.function_call REQUEST.json ANSWER.json
"""

import difflib
import importlib
import inspect
import json
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tftransfer.data.datasets import arrays
from tftransfer.data.datasets.dataset import Dataset, DataSetError
from tftransfer.system import atomic, escaping, untrusted_files, user_code

RETURNS = "(images, labels), ((images, labels), (images, labels)), a tf.data.Dataset of pairs, or a Dataset"
_INTERRUPTED = 130


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
    pathlib.Path(cache_dir, "arrays").mkdir(parents=True, exist_ok=True)  # what takes long should not fail at its end
    function = _function(dataset, data_dir)
    given = (data_dir,) if data_dir else ()
    # Generators and data sets run the function's code while they are read.
    with user_code.guarded(f"The data set {dataset} cannot be read and kept", ours=True):
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
