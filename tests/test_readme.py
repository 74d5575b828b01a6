"""What the README shows is what happens."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_begins_with_the_two_commands_that_ci_takes_from_it():
    first, second, *more = re.findall(r"^```sh\n(.*?)\n```", README, re.DOTALL | re.MULTILINE)
    assert first == "pip install . && python -m tftransfer.run --treatment=BnB --n=4"
    assert second == "pip install '.[test]' && pytest -n auto --dist=loadfile"
    assert not more


def test_it_is_short():
    prose = re.sub(r"^```.*?^```|^    .*$|^\|.*$", "", README, flags=re.DOTALL | re.MULTILINE)
    assert len(prose.split()) < 900


def test_the_study_that_it_shows_is_that_of_the_command():
    from tftransfer.experiment.config import Config

    assert f"runs/{Config().study_name()}\n" in README
