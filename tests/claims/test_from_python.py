"""The page docs/from_python.md, whose examples run in the order in which a reader meets them."""

import pathlib
import re
import sys
import types

import pytest

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "from_python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_the_examples_run_and_say_what_the_page_says(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    page = types.ModuleType("__main__")  # as in a script or a notebook
    monkeypatch.setitem(sys.modules, "__main__", page)
    said = []
    for number, example in enumerate(EXAMPLES):
        exec(compile(example, f"from_python.md, example {number}", "exec"), vars(page))
        said.append(capfd.readouterr().out)
    run, sweep, read, wrong, own, kept, names = said
    assert re.search(r"^B4B done .*random0-B4B-seed0$", run, re.MULTILINE)
    assert "(1 trained, 2 there before)" in sweep, "what run made is not trained again"
    assert "report.html" in sweep
    assert read == "3 True\n"
    assert "Did you mean: width" in wrong
    assert re.match(r"\['conv2d(_\d+)?', 'conv2d_\d+', 'conv2d_\d+', 'dense(_\d+)?'\]", own)
    assert own.splitlines()[-1] == "B2B"
    assert kept.splitlines()[-1] == "(None, None, None, 3) (None, 20)"
    assert names.startswith("['")
    assert {"paired.svg", "network.keras", "reports", "runs"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`tt\.(\w+)", PAGE))))
def test_every_name_is_public(name):
    import tftransfer as tt

    assert name in tt.__all__


@pytest.mark.parametrize("name", sorted(set(re.findall(r"^\| `(\w+(?:\(\))?)`", PAGE, re.MULTILINE))))
def test_every_attribute_of_the_table_is_there(name):
    from tftransfer.results import Record

    name = name.removesuffix("()")
    assert hasattr(Record, name) or f"self.{name}" in pathlib.Path(sys.modules[Record.__module__].__file__).read_text()
