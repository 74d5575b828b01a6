"""A module imports only from lower floors, and what answers at once never loads TensorFlow."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "tftransfer"
# First match counts: from the longest name to the shortest.
FLOORS = {
    "tftransfer.models.catalog": 1,
    "tftransfer.data.motif_names": 1,
    "tftransfer.experiment.treatments": 1,
    "tftransfer.experiment.splits": 1,
    "tftransfer.seeds": 1,
    "tftransfer.system.environment": 1,
    "tftransfer.system.signals": 1,
    "tftransfer.records.filter_grid": 1,
    "tftransfer.system.standard_streams": 1,
    "tftransfer.system.limits": 1,
    "tftransfer.system.atomic": 1,
    "tftransfer.system.locks": 1,
    "tftransfer.system.untrusted_files": 1,
    "tftransfer.system.escaping": 1,
    "tftransfer.records.chance_level": 1,
    "tftransfer.cli.options": 2,
    "tftransfer.experiment.config": 2,
    "tftransfer.experiment.unused_options": 2,
    "tftransfer.execution.run_config": 2,
    "tftransfer.cli.command_line": 2,
    "tftransfer.records.record_files": 2,
    "tftransfer.records.fields": 2,
    "tftransfer.system.processes": 2,
    "tftransfer.pretrained": 2,
    "tftransfer.models": 2,
    "tftransfer.data": 2,
    "tftransfer.experiment.plan": 3,
    "tftransfer.records.identities": 3,
    "tftransfer.experiment.grids": 3,
    "tftransfer.records.commands": 3,
    "tftransfer.records.record_warnings": 3,
    "tftransfer.execution.best_weights": 3,
    "tftransfer.records.inputs": 3,
    "tftransfer.scheduling.speeds": 3,
    "tftransfer.transfer": 3,
    "tftransfer.records.event_files": 3,
    "tftransfer.analysis": 3,
    "tftransfer.training": 4,
    "tftransfer.tensorboard_plugin": 5,
    "tftransfer.execution.preview": 5,
    "tftransfer.execution.record_content": 5,
    "tftransfer.execution.score_table": 5,
    "tftransfer.execution.source_weights": 5,
    "tftransfer.execution.group_training": 5,
    "tftransfer.execution.studies": 5,
    "tftransfer.reporting": 5,
    "tftransfer.tuning": 5,
    "tftransfer.scheduling": 5,
    "tftransfer.benchmarking": 5,
    "tftransfer.run": 6,
    "tftransfer.report": 6,
    "tftransfer.tune": 6,
    "tftransfer.sweep": 6,
    "tftransfer.bench": 6,
    "tftransfer.describe": 6,
    "tftransfer": 1,
}


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def floor(module):
    known = next(name for name in FLOORS if module == name or module.startswith(f"{name}."))
    return FLOORS[known]


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


def test_every_module_has_a_floor():
    for module in MODULES:
        below_the_top = [name for name in FLOORS if name != "tftransfer" and (f"{module}.").startswith(f"{name}.")]
        assert below_the_top or module == "tftransfer", f"{module} stands on no floor"


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_only_from_lower_floors(module):
    own = module.split(".")[:2]
    for imported in imports_of(MODULES[module]):
        if imported.startswith("tftransfer.") and imported.split(".")[:2] != own:
            assert floor(imported) <= floor(module), f"{module} imports {imported}, which stands higher"


QUICK = [
    "tftransfer",
    "tftransfer.experiment.treatments",
    "tftransfer.experiment.splits",
    "tftransfer.seeds",
    "tftransfer.cli.options",
    "tftransfer.experiment.config",
    "tftransfer.experiment.unused_options",
    "tftransfer.execution.run_config",
    "tftransfer.cli.command_line",
    "tftransfer.records.record_files",
    "tftransfer.experiment.plan",
    "tftransfer.records.identities",
    "tftransfer.scheduling.speeds",
    "tftransfer.models.catalog",
    "tftransfer.records.fields",
    "tftransfer.system.untrusted_files",
    "tftransfer.data.datasets",
    "tftransfer.data.store",
    "tftransfer.data.motifs",
    "tftransfer.run",
    "tftransfer.sweep",
    "tftransfer.scheduling.prepare",
    "tftransfer.scheduling.dry_run",
    "tftransfer.bench",
    "tftransfer.records.record_warnings",
    "tftransfer.execution.best_weights",
    "tftransfer.records.inputs",
    "tftransfer.execution.preview",
    "tftransfer.analysis",
    "tftransfer.scheduling.ray.node",
    "tftransfer.scheduling.ray.ray_runner",
    "tftransfer.system.signals",
    "tftransfer.system.standard_streams",
    "tftransfer.system.limits",
    "tftransfer.system.atomic",
    "tftransfer.system.locks",
    "tftransfer.scheduling.liveness",
    "tftransfer.system.environment",
    "tftransfer.system.processes",
    "tftransfer.records.filter_grid",
    "tftransfer.report",
    "tftransfer.pretrained.description",
    "tftransfer.pretrained.files",
    "tftransfer.pretrained.hdf5",
    "tftransfer.pretrained.safetensors",
    "tftransfer.describe",
    "tftransfer.system.escaping",
    "tftransfer.records.commands",
    "tftransfer.execution.score_table",
    "tftransfer.records.chance_level",
]


def test_quick_modules_never_load_tensorflow():
    heavy = ("tensorflow", "keras", "tensorboard")
    code = f"import sys, {', '.join(QUICK)}\nprint([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_no_global_flags_and_no_assertions_in_the_package():
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree)), module
        assert "flags.FLAGS" not in path.read_text(encoding="utf-8"), module


def test_the_tab_needs_nothing_that_trains():
    for module in MODULES:
        if module.startswith("tftransfer.tensorboard_plugin"):
            others = {m for m in imports_of(MODULES[module]) if not m.startswith("tftransfer.tensorboard_plugin")}
            wanted = {m for m in others if m.startswith("tftransfer")}
            assert all(floor(m) <= 3 and m != "tftransfer.records.event_files" for m in wanted), f"{module}: {wanted}"
