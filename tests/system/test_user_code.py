import pathlib

import pytest

import small_models
from tftransfer.experiment.config import Config
from tftransfer.models import architectures
from tftransfer.system import signals


def shape(model, **options):
    return Config(model=model, image_size=options.pop("image_size", 32), **options)


HOSTILE = {
    "raises": (
        "raise ValueError('at import\\nin two lines')",
        "Cannot import the module .*: ValueError: at import in two lines",
    ),
    "exits": ("import sys; sys.exit()", "Cannot import the module .*: SystemExit"),
    "exits_with_0": ("raise SystemExit(0)", "Cannot import the module .*: SystemExit"),
    "broken": ("def build(:", "Cannot import the module .*: SyntaxError"),
    "recursive": ("def f(): f()\nf()", "Cannot import the module .*: RecursionError"),
    "exits_later": ("import sys\ndef build(shape, classes): sys.exit(3)", "cannot be built .*: SystemExit: 3"),
    "raises_later": ("def build(shape, classes): raise OSError(5, 'a\\nb')", "cannot be built .*: OSError: .*a b"),
    "gives_nothing": ("def build(shape, classes): pass", "must give a keras.Model. Received: NoneType"),
    "gives_a_class": (
        "import keras\ndef build(shape, classes): return keras.Model",
        "must give a keras.Model. Received",
    ),
    "no_function": ("build = 3", "no function build"),
    "generator_exit": ("raise GeneratorExit('x')", "Cannot import the module .*: GeneratorExit: x"),
    "generator_exit_later": ("def build(shape, classes): raise GeneratorExit", "cannot be built .*: GeneratorExit"),
    "own_base": (
        "class Own(BaseException): pass\ndef build(shape, classes): raise Own('\x1b[31m')",
        "cannot be built .*: Own: ",
    ),
    "silent": (
        "class Own(Exception):\n    def __str__(self): raise OSError\ndef build(shape, classes): raise Own",
        r"cannot be built .*: Own: its text cannot be shown \(OSError\)",
    ),
    "cannot_be_asked": (
        "import small_models\n"
        "class Shy:\n    @property\n    def __class__(self): raise GeneratorExit\n"
        "def build(shape, classes): return Shy()",
        "cannot be used .*: GeneratorExit",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_code_of_a_user_that_goes_wrong_ends_in_one_message(kind, tmp_path, monkeypatch):
    code, message = HOSTILE[kind]
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"hostile_{kind}.py").write_text(code)
    with pytest.raises(ValueError, match=message) as error:
        architectures.build(shape(f"hostile_{kind}:build").architecture, 3)
    assert "\n" not in str(error.value)


def test_code_of_a_user_leaves_the_command_in_its_folder(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "moving.py").write_text(
        "import os, small_models\nos.chdir('/')\n"
        "def build(shape, classes):\n    os.chdir('/')\n    print('x\\n' * 10**5)\n"
        "    return small_models.chain(shape, classes)"
    )
    assert architectures.block_names(shape("moving:build").architecture) == ("one", "two", "logits")
    assert pathlib.Path.cwd() == here


@pytest.mark.parametrize("error", [KeyboardInterrupt, signals.Terminated])
def test_an_interruption_of_a_users_code_stays_one(error, tmp_path, monkeypatch):
    def build(*_):
        raise error

    monkeypatch.setattr(small_models, "chain", build)
    with pytest.raises(error):
        architectures.build(shape("small_models:chain").architecture, 3)
