"""The list of mutants fits this checkout; with `slow`, that survivors are told from what is noticed."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.mutants import mutant_list

ROOT = pathlib.Path(__file__).parent.parent
MUTANTS = mutant_list.read()


def test_the_list_fits_the_checkout():
    mutant_list.check(MUTANTS)
    assert len(MUTANTS) >= 60
    assert len({(mutant.area, mutant.name) for mutant in MUTANTS}) == len(MUTANTS)


def test_every_row_of_the_papers_settings_has_a_mutant_that_its_test_must_notice():
    table = (ROOT / "docs" / "paper_settings.md").read_text(encoding="utf-8")
    rows = [line for line in table.splitlines() if line.startswith("| ") and "`tests/" in line]
    named = {row.rpartition("`tests/")[2].partition("`")[0] for row in rows}
    # This one says how the comparison is started; the comparison itself needs PyTorch.
    named -= {"claims/test_paper_settings.py::test_the_agreement_is_printed_by_a_command"}
    noticing = {test.removeprefix("tests/").partition("[")[0] for mutant in MUTANTS for test in mutant.tests}
    assert named <= noticing


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x = ['README.md', 'a']", r"is not \[file, old text"),
        (
            "x = ['README.md', 'no such text', '', 'tests/test_seeds.py']",
            r"'no such text' stands 0 times in README\.md",
        ),
        ("x = ['README.md', 'tftransfer', '', 'tests/test_seeds.py']", r"stands \d+ times in README\.md"),
        ("x = ['nowhere.py', 'a', '', 'tests/test_seeds.py']", r"stands 0 times in nowhere\.py"),
        ("x = ['LICENSE', 'MERCHANTABILITY', 'MERCHANTABILITY', 'tests/test_seeds.py']", "changes nothing"),
        ("x = ['LICENSE', 'MERCHANTABILITY', '', 'tests/test_seeds.py::test_nothing']", "no test .*test_nothing"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(line, message, tmp_path):
    path = tmp_path / "mutants.toml"
    path.write_text(f"[area]\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        mutant_list.check(mutant_list.read(path))


@pytest.mark.slow
def test_survivors_hangs_and_broken_programs_are_told_from_what_is_noticed(tmp_path):
    path = tmp_path / "mutants.toml"
    lines = [
        "noticed = ['tftransfer/seeds.py', 'repr((int(seed), *plain))', 'repr((0, *plain))', 'tests/test_seeds.py']",
        "harmless = ['tftransfer/seeds.py', 'adding a', 'adding no', 'tests/test_seeds.py']",
        "hanging = ['tftransfer/seeds.py', 'import hashlib', 'import hashlib, time; time.sleep(9999)', "
        "'tests/test_seeds.py']",
        "broken = ['tftransfer/seeds.py', 'import hashlib', 'import hashlib(', 'tests/test_seeds.py']",
    ]
    path.write_text("[area]\n" + "\n".join(lines), encoding="utf-8")
    before = (ROOT / "tftransfer" / "seeds.py").read_bytes()
    words = [sys.executable, "-m", "tests.mutants", f"--list={path}", "--seconds=60"]
    done = subprocess.run(
        words, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-3:] == [
        "Hung: area/hanging", "Not a mutant but a broken program: area/broken", "Survived: area/harmless"
    ]  # fmt: skip
    assert (ROOT / "tftransfer" / "seeds.py").read_bytes() == before, "only copies are changed"
    done = subprocess.run([*words, "--only=no*d"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
