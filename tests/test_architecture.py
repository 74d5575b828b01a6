"""Packages import in one direction and through their interfaces; what answers at once never loads TensorFlow."""

import ast
import graphlib
import subprocess
import sys

import module_map
import pytest
from module_map import MODULES, ORDER, ROOT, home, imports_of, interface

# Modules that load TensorFlow or Keras when they are imported, by package; all others must not.
LOAD_TENSORFLOW = {
    "tftransfer.transfer": ("",),
    "tftransfer.data": ("motifs_tfds", "pipeline", "views"),
    "tftransfer.models": (
        "alexnet", "architectures", "blocks", "cloning", "costs", "in_hand", "keras_settings", "layers", "logits",
        "noise", "serialization", "shortened", "sizes", "validation",
    ),
    "tftransfer.records": ("event_files",),  # TensorBoard alone
    "tftransfer.training": (
        "batch_norm", "compilation", "diagnostics", "features", "group", "history", "memory", "optimizers", "outcomes",
        "plain_model", "snapshots", "strategies", "trainer", "untrained_sources", "weights",
    ),
    "tftransfer.advising": ("advisor", "document", "export", "live"),
    "tftransfer.execution": (
        "group_training", "pretrained_base", "record_content", "source_weights", "studies", "training_reports",
    ),
    "tftransfer.scheduling": ("worker",),
    "tftransfer.tuning": ("search", "trial", "view"),
    "tftransfer.benchmarking": ("images", "stepping"),
    "tftransfer.reporting": ("study_figure",),  # TensorBoard alone
    "tftransfer.tensorboard_plugin": ("", "curves", "folders", "plugin", "progress"),  # TensorBoard alone
}  # fmt: skip


def test_every_module_has_a_home():
    assert [module for module in MODULES if home(module) == "tftransfer"] == ["tftransfer"]
    assert set(ORDER) <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_packages_import_only_from_those_before_them(module):
    own = ORDER.index(home(module))
    for imported in imports_of(module):
        if home(imported) != home(module):
            assert ORDER.index(home(imported)) < own, f"{module} imports {imported}, which comes later"


def test_no_circle_inside_or_between_packages():
    # A package that offers functions of its modules imports them; that they lie in it is no import of theirs.
    graphlib.TopologicalSorter({module: imports_of(module) for module in MODULES}).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_packages_are_used_through_their_interfaces(module):
    for imported in imports_of(module) - set(ORDER):
        package = home(imported)
        if package != home(module) and package != imported:
            assert imported.removeprefix(f"{package}.") in interface(package), f"{module} imports {imported}"


def test_interfaces_name_what_is_there():
    for package in ORDER:
        for name in interface(package):
            assert f"{package}.{name}" in MODULES or name in MODULES[package].read_text(encoding="utf-8"), name


def test_the_map_in_build_md_is_that_of_the_modules():
    text = module_map.BUILD.read_text(encoding="utf-8")
    assert module_map.with_map(text) == text, "write it with `python -m tests.support.module_map`"


def test_quick_modules_never_load_tensorflow():
    slow = {".".join(filter(None, (package, name))) for package, names in LOAD_TENSORFLOW.items() for name in names}
    assert slow <= set(MODULES)
    quick = [module for module in MODULES if module not in slow and not module.endswith("__main__")]
    heavy = ("tensorflow", "keras", "tensorboard")
    code = f"import sys, {', '.join(quick)}\nprint([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_no_global_flags_and_no_assertions_in_the_package():
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(text))), module
        assert "flags.FLAGS" not in text, module


def test_the_tab_needs_nothing_that_trains():
    trains = ORDER.index("tftransfer.training")
    for module in MODULES:
        if module.startswith("tftransfer.tensorboard_plugin"):
            others = {name for name in imports_of(module) if home(name) != "tftransfer.tensorboard_plugin"}
            assert all(ORDER.index(home(name)) < trains for name in others), f"{module}: {others}"


def test_no_function_has_more_than_40_lines_of_body():
    long = []
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                if lines > 40:
                    long.append(f"{module}.{node.name}: {lines}")
    assert not long


# Modules without a test file of their own.
TESTED_ELSEWHERE = {
    "data.motifs": "tests/data/test_motifs.py draws all motifs and compares them with kept pictures",
}
# Test files of no single module.
OF_NO_MODULE = {
    "claims": "claims about the whole: the paper's settings, any model, hostile text, published records",
    "faults": "kills, damage and full disks, of the whole program",
    "mutants": "the list of false claims, and what applies it",
    "support": "helpers of tests",
    "benchmarks": "speeds, which no test asserts",
}
OTHER_FILES = {
    "test_architecture.py": "the packages",
    "test_mutants.py": "the list of mutants",
    "test_docs.py": "the pages of docs/, the notebook, and all links",
    "test_readme.py": "the README",
    "test_hparams_browser.py": "TensorBoard's HParams view in a browser",
    "tensorboard_plugin/test_transfer_tab.py": "the tab in a browser",
    "execution/test_group_training_interrupted.py": "half of test_group_training.py, so that two processes share them",
    "training/test_trainer_options.py": "half of test_trainer.py, so that two processes share them",
}


def test_every_module_has_its_test_file():
    tests = ROOT / "tests"
    for module, path in MODULES.items():
        name = module.removeprefix("tftransfer.")
        if path.name == "__init__.py" or any(f"{name}.".startswith(f"{known}.") for known in TESTED_ELSEWHERE):
            continue
        folder, _, last = name.rpartition(".")
        assert (tests / folder.replace(".", "/") / f"test_{last}.py").is_file(), f"no test file of {module}"


def test_every_test_file_has_its_module():
    tests = ROOT / "tests"
    for path in sorted(tests.rglob("test_*.py")):
        place = path.relative_to(tests)
        if place.parts[0] in OF_NO_MODULE or str(place) in OTHER_FILES:
            continue
        module = (ROOT / "tftransfer" / place).with_name(path.name.removeprefix("test_"))
        assert module.is_file() or module.with_suffix("").is_dir(), f"no module of {place}"
