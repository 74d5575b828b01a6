"""An advice: what to keep, tune, re-initialise and drop, with its doubt, and the trained model."""

import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tftransfer.results import extras, html
from tftransfer.results.record import Record
from tftransfer.system import escaping, untrusted_files

if TYPE_CHECKING:
    import keras
    import pandas as pd

FILE, CODE, PAGE, MODEL = "advice.json", "finetune.py", "advice.html", "model.keras"


class Advice:
    """An advice as `python -m tftransfer.advise` left it.

    Args:
        folder: Its folder, `advice/<name>`.

    Attributes:
        folder: As above.
        content: All that is known of it, as `advice.json` holds it.

    Raises:
        ValueError: If there is no finished advice in the folder.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = pathlib.Path(folder)
        path = self.folder / FILE
        if not path.is_file():
            raise ValueError(f"No finished advice in {folder}. Expected a folder with {FILE}.")
        self.content: Mapping[str, Any] = untrusted_files.read_json(path)

    def __repr__(self) -> str:
        return f"Advice({str(self.folder)!r})"

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The advice in sentences, the most important first."""
        return tuple(self.content["sentences"])

    @property
    def policy(self) -> str:
        """Policy of the chosen candidate, such as `k12t7n1`; empty where nothing is recommended."""
        chosen = [one["policy"] for one in self.content["candidates"] if one["name"] == self.content["chosen"]]
        return chosen[0] if chosen else ""

    @property
    def top1(self) -> float | None:
        """Score on images that no phase saw, 0 to 1; None where nothing is recommended."""
        return self.content.get("top1")

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of `top1`."""
        low_high = self.content.get("interval")
        return (low_high[0], low_high[1]) if low_high else None

    @property
    def table(self) -> "pd.DataFrame":
        """Candidates with their scores, one row each, those of least expected regret first; needs pandas.

        Means are of different folds and seeds, so that they cannot be compared; regrets can.
        """
        extras.require("pandas")
        import pandas as pd

        columns = ["name", "policy", "family", "mean", "regret", "runs", "cost", "words", "last", "last_step"]
        return pd.DataFrame(self.content["candidates"])[columns].sort_values("regret", ignore_index=True)

    @property
    def record(self) -> Record:
        """The record of the final network."""
        if not self.content.get("network"):
            raise ValueError(f"{self.folder} recommends nothing, so no network was trained.")
        return Record(self.folder / self.content["network"])

    @property
    def model(self) -> "keras.Model":
        """The trained model in plain Keras, from images of any size, 0 to 255, to probabilities of the classes."""
        return self.record.model()

    @property
    def code(self) -> str:
        """The text of `finetune.py`, plain Keras that goes on from the advice."""
        return (self.folder / CODE).read_text(encoding="utf-8")

    def _repr_html_(self) -> str:
        rows = [
            (one["name"], "" if one["mean"] is None else f"{100 * one['mean']:.1f} %", one["words"])
            for one in sorted(self.content["candidates"], key=lambda one: (one["regret"] is None, one["regret"]))
        ]
        return html.page(
            *(f"<p>{escaping.html(line)}</p>" for line in self.sentences),
            html.table(("candidate", "top-1", "what"), rows),
        )


def of_result(made: Mapping[str, Any]) -> Advice:
    """Returns the advice in the folder that the command named."""
    return Advice(made["folder"])
