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
    "tftransfer.models.names": 1,
    "tftransfer.data.motif_names": 1,
    "tftransfer.treatments": 1,
    "tftransfer.splits": 1,
    "tftransfer.seeds": 1,
    "tftransfer.environment": 1,
    "tftransfer.interruption": 1,
    "tftransfer.mosaic": 1,
    "tftransfer.standard_streams": 1,
    "tftransfer.address_space": 1,
    "tftransfer.atomic": 1,
    "tftransfer.open_files": 1,
    "tftransfer.locks": 1,
    "tftransfer.small_files": 1,
    "tftransfer.outlets": 1,
    "tftransfer.chance_level": 1,
    "tftransfer.options": 2,
    "tftransfer.config": 2,
    "tftransfer.idle_options": 2,
    "tftransfer.run_config": 2,
    "tftransfer.command_line": 2,
    "tftransfer.records": 2,
    "tftransfer.record_fields": 2,
    "tftransfer.processes": 2,
    "tftransfer.foreign": 2,
    "tftransfer.models": 2,
    "tftransfer.data": 2,
    "tftransfer.plan": 3,
    "tftransfer.identities": 3,
    "tftransfer.grids": 3,
    "tftransfer.commands": 3,
    "tftransfer.findings": 3,
    "tftransfer.best": 3,
    "tftransfer.inputs": 3,
    "tftransfer.speeds": 3,
    "tftransfer.transfer": 3,
    "tftransfer.tensorboard_view": 3,
    "tftransfer.analysis": 3,
    "tftransfer.training": 4,
    "tftransfer.tensorboard_plugin": 5,
    "tftransfer.preview": 5,
    "tftransfer.results": 5,
    "tftransfer.score_table": 5,
    "tftransfer.source_weights": 5,
    "tftransfer.group_training": 5,
    "tftransfer.execution": 5,
    "tftransfer.reporting": 5,
    "tftransfer.tuning": 5,
    "tftransfer.scheduling": 5,
    "tftransfer.benching": 5,
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
    "tftransfer", "tftransfer.treatments", "tftransfer.splits", "tftransfer.seeds", "tftransfer.options",
    "tftransfer.config", "tftransfer.idle_options", "tftransfer.run_config", "tftransfer.command_line",
    "tftransfer.records", "tftransfer.plan", "tftransfer.identities", "tftransfer.speeds", "tftransfer.models.names",
    "tftransfer.record_fields", "tftransfer.small_files",
    "tftransfer.data.sources", "tftransfer.data.store", "tftransfer.data.motifs", "tftransfer.run",
    "tftransfer.sweep", "tftransfer.scheduling.prepare", "tftransfer.scheduling.dry_run", "tftransfer.bench",
    "tftransfer.findings", "tftransfer.best", "tftransfer.inputs", "tftransfer.preview",
    "tftransfer.analysis", "tftransfer.scheduling.node", "tftransfer.scheduling.ray_runner",
    "tftransfer.interruption", "tftransfer.standard_streams", "tftransfer.address_space", "tftransfer.atomic",
    "tftransfer.locks", "tftransfer.scheduling.signs",
    "tftransfer.environment", "tftransfer.processes", "tftransfer.mosaic", "tftransfer.report",
    "tftransfer.foreign.description",
    "tftransfer.foreign.files", "tftransfer.foreign.hdf5", "tftransfer.foreign.tensors", "tftransfer.describe",
    "tftransfer.outlets", "tftransfer.commands", "tftransfer.score_table", "tftransfer.chance_level",
]  # fmt: skip


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
            assert all(floor(m) <= 3 and m != "tftransfer.tensorboard_view" for m in wanted), f"{module}: {wanted}"
