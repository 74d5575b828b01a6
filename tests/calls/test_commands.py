import ast
import inspect
import pathlib
import subprocess
import sys
import types

import pytest

import tftransfer as tt
from tftransfer.calls import CommandError, child, commands
from tftransfer.execution.run_config import RunConfig

ROOT = pathlib.Path(__file__).parents[2]
COMMANDS = ("advise", "bench", "describe", "export", "report", "run", "sweep", "tune")


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.split()


def test_importing_the_package_loads_nothing():
    code = "import sys, tftransfer; print([m for m in ('tensorflow', 'keras', 'pandas', 'numpy') if m in sys.modules])"
    assert python(code) == ["[]"]


@pytest.mark.parametrize("first", ["import tftransfer", "import tftransfer.run", "from tftransfer import run"])
def test_a_command_is_module_and_function_in_every_order_of_imports(first):
    code = f"{first}; import tftransfer as tt, tftransfer.run; from tftransfer import run; import types; "
    code += (
        "print(callable(tt.run), tt.run is run, isinstance(run, types.ModuleType), callable(run.main), run.__name__)"
    )
    assert python(code) == ["True"] * 4 + ["tftransfer.run"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_called_and_shows_its_options(name):
    command = getattr(tt, name)
    assert callable(command)
    assert callable(command.main)
    assert len(inspect.signature(command).parameters) > 2
    assert "Raises" in type(command).__call__.__doc__


def test_the_signature_has_the_defaults_of_the_command():
    parameters = inspect.signature(tt.run).parameters
    assert next(iter(parameters)) == "treatment"
    assert parameters["learning_rate"].default == RunConfig().learning_rate
    assert parameters["n"].kind is inspect.Parameter.KEYWORD_ONLY
    assert "flagfile" in parameters


@pytest.fixture
def called(monkeypatch):
    """The calls of a child process, which does nothing."""
    calls = []

    def run(module, words, title, lines=False):
        calls.append((module, words, lines))
        return child.Ended(0, {})

    monkeypatch.setattr(child, "run", run)
    return calls


def test_a_call_runs_the_command_with_the_same_options(called):
    assert tt.run("AnB", n=4, dataset="motifs") is None
    assert called == [("tftransfer.run", ["--treatment=AnB", "--n=4", "--dataset=motifs"], False)]


def test_wrong_options_are_refused_before_a_process_starts(called):
    for options, message in [({"steps": -1}, "Bad --steps"), ({"treatmnt": "x"}, "Did you mean: treatment")]:
        with pytest.raises(ValueError, match=message):
            tt.run("AnB", n=4, **options)
    with pytest.raises(ValueError, match="treatment may come without its name; all others"):
        tt.run("AnB", 4)
    with pytest.raises(ValueError, match="treatment is given twice"):
        tt.run("AnB", treatment="BnB")
    assert not called


def test_answers_are_printed_and_return_nothing(monkeypatch):
    seen = []

    def run(module, words, title, lines=False):
        seen.append(lines)
        return child.Ended(0, {})

    monkeypatch.setattr(child, "run", run)
    assert tt.run("AnB", n=4, dry_run=True) is None
    assert seen == [True]


def test_an_error_carries_the_object_that_was_made(monkeypatch):
    def run(module, words, title, lines=False):
        raise CommandError("diverged", 3, {"network": "N"})

    monkeypatch.setattr(child, "run", run)
    module = types.ModuleType("tftransfer.fake")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    commands.make_callable(module.__name__, RunConfig, "Does.", "treatment", lambda made: made["network"].lower())
    with pytest.raises(CommandError) as error:
        module("AnB", n=4)
    assert error.value.result == "n"


def test_a_module_that_runs_as_a_program_stays_as_it_is():
    commands.make_callable("__main__", RunConfig, "Does.")
    assert type(sys.modules["__main__"]) is types.ModuleType


def test_run_from_a_script(tmp_path, capfd):
    options = {"width": 0.05, "steps": 2, "batch_size": 16, "warmup_steps": 0, "evaluations": 1, "runs_dir": tmp_path}
    record = tt.run("BnB", n=4, **options)
    assert record.label == "B4B"
    assert record.folder.parent.parent == tmp_path
    assert "step 2/2" in capfd.readouterr().out
    before = (record.folder / "record.json").read_bytes()
    assert tt.run("BnB", n=4, **options).content == record.content
    assert "step 2/2" not in capfd.readouterr().out, "the same call trains nothing"
    assert (record.folder / "record.json").read_bytes() == before
    with pytest.raises(ValueError, match="n must be 1 to 7"):
        tt.run("BnB", n=9, **options)


def test_type_checkers_see_the_options_of_today():
    import stubs

    assert stubs.STUB.read_text(encoding="utf-8") == stubs.text(), "write it with `python -m tests.support.stubs`"
    assert (ROOT / "tftransfer" / "py.typed").is_file()
    tree = ast.parse(stubs.STUB.read_text(encoding="utf-8"))
    named = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    named |= {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(tt.__all__) <= named
    assert set(COMMANDS) == set(stubs.COMMANDS)


def test_every_public_name_is_there():
    assert set(tt.__all__) <= set(dir(tt))
    for name in tt.__all__:
        assert getattr(tt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = tt.runn
