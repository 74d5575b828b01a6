"""`module:function`: a function that returns images and labels. It is called once, in a process of its own.

What it returns is written into the cache as `arrays`, in a folder named by its content; all else reads that.
"""

import pathlib
import re
import tempfile

from tftransfer.data.datasets.dataset import DataSetError
from tftransfer.system import processes

MODULE = "tftransfer.data.datasets.function_call"
# Unlike a version of TensorFlow Datasets, as in cifar100:3.0.2, the second name starts with a letter.
_SPELLING = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


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
