"""A finished network: its scores, its history, its weights, and itself as a Keras model."""

import functools
import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tftransfer.records import record_files, record_warnings
from tftransfer.results import extras, html

if TYPE_CHECKING:
    import keras
    import numpy as np
    import pandas as pd


class Record:
    """A finished network.

    Args:
        folder: Its folder, `runs/<study>/<network>`.

    Attributes:
        folder: As above.
        content: All that is known of it, as `record.json` holds it.

    Raises:
        ValueError: If there is no finished network in the folder, or its record is damaged.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = pathlib.Path(folder)
        read = record_files.read(self.folder)
        if read is None:
            raise ValueError(f"No finished network in {folder}. Expected a folder with {record_files.RECORD}.")
        self._record = read
        self.content: Mapping[str, Any] = read.content

    def __repr__(self) -> str:
        return f"Record({str(self.folder)!r})"

    def __str__(self) -> str:
        return f"{self.label}: {_percent(self.top1)}{_points(self.minus_base)}"

    @property
    def name(self) -> str:
        """Its name, `random0-B4B-seed0`."""
        return self._record.name

    @property
    def label(self) -> str:
        """Its treatment: `B4B`, `A4B+`, `baseB`."""
        return str(self.content["treatment"].get("label", self.name))

    @property
    def status(self) -> str:
        """`done` or `diverged`."""
        return self._record.status

    @property
    def top1(self) -> float | None:
        """Its top-1 accuracy on all validation images of its target, 0 to 1; None if it diverged."""
        return self._record.result["top1"]

    @property
    def minus_base(self) -> float | None:
        """Its top-1 minus that of its base, -1 to 1; None for bases and where there was none when it was trained."""
        return self._record.result["minus_base"]

    @property
    def result(self) -> Mapping[str, Any]:
        """All scores: `top1`, `top5`, `per_class_top1`, `minus_base`, `chance` (0 to 1), `cross_entropy` (nats)."""
        return self._record.result

    @property
    def warnings(self) -> list[str]:
        """What must be known before its score is trusted, a sentence each."""
        return [warning.text for warning in record_warnings.warnings_of(self.content)]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of its classes in the order of its outputs; empty if they were not kept."""
        return tuple(map(str, self.content.get("inputs", {}).get("class_names", ())))

    @functools.cached_property
    def frame(self) -> "pd.DataFrame":
        """One row: the network as in `analysis.networks` of its study, compared with its own base there.

        Raises:
            ImportError: If pandas and scipy, the extra `report`, are not installed.
        """
        extras.require("pandas", "scipy")
        from tftransfer import analysis

        networks = analysis.networks(pathlib.Path(os.path.abspath(self.folder)).parent)
        return networks[networks["name"].eq(self.name)].reset_index(drop=True)

    @functools.cached_property
    def history(self) -> "pd.DataFrame":
        """One row per evaluation: `step`, `epoch`, `seconds`, `loss`, accuracies from 0 to 1.

        Raises:
            ImportError: If pandas, of the extra `report`, is not installed.
        """
        extras.require("pandas")
        import pandas as pd

        return pd.DataFrame(self.content["history"])

    def weights(self) -> "dict[str, list[np.ndarray]]":
        """Returns its weights by layer, in Keras' order; loads TensorFlow.

        Raises:
            ValueError: If they were not kept or are damaged.
        """
        from tftransfer import transfer
        from tftransfer.training import weights

        return transfer.weights_of(weights.load(self.folder))

    def model(self) -> "keras.Model":
        """Returns a plain Keras model, from images of any size to the probabilities of its classes; loads TensorFlow.

        Its inputs are pixels from 0 to 255, `(images, height, width, 3)`, which it warps, crops and scales as in
        validation; its attribute `class_names` has the names of its outputs. `save` it as FILE.keras, which Keras
        alone can load; or use `tftransfer.export`, which keeps the class names in the file. Layers are trainable as
        they were. `tftransfer.load` returns the network alone, with its own layers, from inputs to logits.

        Raises:
            ValueError: If the weights or the preprocessing were not kept or are damaged.
        """
        from tftransfer.training import plain_model

        return plain_model.of_record(self.folder)

    def _repr_html_(self) -> str:
        rows = [("network", self.name), ("top-1", f"{_percent(self.top1)}{_points(self.minus_base)}")]
        chance, seconds = self.result.get("chance"), self.content["cost"].get("seconds")
        rows += [("chance", _percent(chance))] if chance is not None else []
        rows += [("seconds", f"{seconds:.0f}")] if seconds is not None else []
        rows += [("warning", text) for text in self.warnings]
        return html.page(html.pairs([*rows, ("record", str(self.folder))]), html.curve(self.content["history"]))


def _percent(fraction: float | None) -> str:
    return "diverged" if fraction is None else f"{100 * fraction:.1f} %"


def _points(difference: float | None) -> str:
    return "" if difference is None else f" ({100 * difference:+.1f} points from its base)"
