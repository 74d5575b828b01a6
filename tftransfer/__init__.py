"""Measures, block by block, how transferable the features of a network are (Yosinski et al. 2014).

    python -m tftransfer.run --treatment=BnB --n=4

From Python, commands are functions, with their options as keyword arguments:

    import tftransfer as tt

    tt.run("AnB", n=4)                                          # a Record: .top1, .history, .weights(), .model()
    study = tt.sweep(treatments=["BnB", "AnB"], n=range(1, 8))  # a Study: .frame, .effects(), .figure(), .report()
    advice = tt.advise(model, dataset=(images, labels))         # an Advice: .sentences, .table, .model, .code
    tt.Study("runs/STUDY"), tt.Record("runs/STUDY/NETWORK")     # read again, without TensorFlow

and the parts of the experiment are usable on any Keras model:

    tt.blocks(model), tt.legal_cuts(model)
    tt.transplant(source, target, n=4, frozen=True)             # or n="conv4"
    tt.load("runs/STUDY/NETWORK"), tt.preprocessing("runs/STUDY/NETWORK")
    tt.models.AlexNet(input_shape=(227, 227, 3), classes=1000)
    tt.optimizers.CaffeSGD(0.01), tt.splits.random_split(10, seed=0), tt.analysis.effects(frame)

Names are resolved on first use: importing the package costs nothing, and TensorFlow is loaded only when it is needed.
"""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "Advice",
    "CommandError",
    "Record",
    "Study",
    "advise",
    "analysis",
    "bench",
    "blocks",
    "describe",
    "export",
    "legal_cuts",
    "load",
    "models",
    "optimizers",
    "preprocessing",
    "report",
    "run",
    "scores",
    "splits",
    "sweep",
    "transplant",
    "tune",
]

_HOMES = {
    "Advice": "tftransfer.results",
    "CommandError": "tftransfer.calls",
    "Record": "tftransfer.results",
    "Study": "tftransfer.results",
    "blocks": "tftransfer.models.blocks",
    "legal_cuts": "tftransfer.models.blocks",
    "load": "tftransfer.training.weights",
    "preprocessing": "tftransfer.records.inputs",
    "transplant": "tftransfer.transfer",
}
# Commands are modules that can be called, see `calls.make_callable`.
_MODULES = {
    "optimizers": "tftransfer.training.optimizers",
    "splits": "tftransfer.experiment.splits",
    **{name: f"tftransfer.{name}" for name in ("analysis", "models", "scores")},
    **{
        name: f"tftransfer.{name}"
        for name in ("advise", "bench", "describe", "export", "report", "run", "sweep", "tune")
    },
}


def __getattr__(name: str) -> Any:
    """Returns the object of a public name, importing its module on first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'tftransfer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
