"""The tab *Transfer* in a real browser, inside a real TensorBoard."""

import contextlib
import dataclasses
import itertools
import json
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

import browsing
import fake_runs
import fake_study
from browsing import browser  # noqa: F401
from tftransfer.records import record_files

ROOT = pathlib.Path(__file__).parents[2]
HTML = "<img src=x onerror=document.title='owned'>"
MISSING = "random0-A7B-seed0"


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    """A study of 57 networks of 58, one damaged record, one of a strange name, and one network in training."""
    logdir = tmp_path_factory.mktemp("transfer") / "logdir"
    study = logdir / "study"
    networks = fake_runs.cells()
    for cell in networks:
        if cell.name != MISSING:
            record_files.write(study / cell.name, fake_runs.content(cell))
    strange = fake_runs.cells(["RnB"], [1])[2]
    record_files.write(study / "strange", fake_runs.content(strange, name=HTML, status="diverged"))
    (study / "damaged").mkdir()
    (study / "damaged" / "record.json").write_text("{")
    return logdir


@pytest.fixture(scope="module")
def address(logdir):
    with browsing.tensorboard(logdir) as found:
        yield found


@contextlib.contextmanager
def tab(browser, address):  # noqa: F811
    """Opens the tab, and gives the page inside its frame."""
    browser.driver.set_window_size(1400, 1000)
    browser.open("about:blank")
    browser.open(f"{address}#tftransfer")
    browser.driver.switch_to.frame(browser.one("iframe[src*=tftransfer]"))
    try:
        browser.wait(lambda: browser.all("[data-curve] .marker"), "curves")
        yield browser
    finally:
        browser.driver.switch_to.default_content()


def markers(page):
    """Returns the points drawn, as (curve, n)."""
    js = """return [...document.querySelectorAll("[data-curve] .marker")]
        .map((marker) => [marker.parentElement.dataset.curve, Number(marker.dataset.n)]);"""
    return {(curve, n) for curve, n in page.driver.execute_script(js)}


def point(page, curve, n):
    return page.one(f"[data-curve='{curve}'] .marker[data-n='{n}']")


def choose(page, measure):
    page.one(f"input[value={measure}]").click()


@pytest.mark.browser
def test_curves_levels_numbers_and_notes_are_shown_and_no_rule_of_the_page_is_broken(browser, address):  # noqa: F811
    with tab(browser, address) as page:
        assert markers(page) == {(t, n) for t in ("AnB", "AnB+", "BnB", "BnB+") for n in range(1, 8)}
        levels = page.texts(".levels text")
        assert levels[0].startswith("base 6")
        assert levels[1] == "chance 5.0 % \u2193"
        assert len(page.all(".numbers tbody tr")) == 29
        notes = " ".join(page.texts(".notes li"))
        assert "damaged/record.json is damaged" in notes
        page.shot("transfer-top1")
        assert page.errors() == [], "the policies of the page, and missing files, would be named here"


@pytest.mark.browser
def test_a_point_under_the_pointer_tells_its_values(browser, address):  # noqa: F811
    from selenium.webdriver import ActionChains

    with tab(browser, address) as page:
        ActionChains(page.driver).move_to_element(point(page, "BnB", 5)).perform()
        first, top1, minus_base, count = page.wait(lambda: page.texts(".tip:not([hidden]) div"), "values")
        mirrored = [c for c in fake_runs.cells(["BnB", "AnA"], [5]) if not c.treatment.is_base]
        expected = 100 * sum(fake_runs.top1(c) for c in mirrored) / 2
        assert (first, count) == ("BnB, n = 5", "2 networks")
        assert float(top1.split()[1]) == pytest.approx(expected, abs=0.06)
        assert minus_base.startswith("minus base \u2212")
        page.shot("transfer-hover")


@pytest.mark.browser
def test_minus_base_is_one_choice_away(browser, address):  # noqa: F811
    with tab(browser, address) as page:
        choose(page, "minus_base")
        page.wait(lambda: "top-1 minus base, percentage points" in page.texts(".axes text"), "the other axis")
        assert page.texts(".levels text") == ["base"]
        page.shot("transfer-minus-base")


@pytest.mark.browser
def test_the_keyboard_reaches_every_point(browser, address):  # noqa: F811
    from selenium.webdriver import Keys

    with tab(browser, address) as page:
        keys = page.one(".host")
        keys.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        assert page.texts(".tip div")[0] == "AnB, n = 2"
        keys.send_keys(Keys.ARROW_UP)
        assert page.texts(".tip div")[0] != "AnB, n = 2"
        assert page.texts("[aria-live]")[0].startswith(page.texts(".tip div")[0])
        keys.send_keys(Keys.ESCAPE)
        assert not page.all(".tip:not([hidden])")
        box = page.one(".legend input")
        box.send_keys(Keys.SPACE)
        assert not {curve for curve, _ in markers(page)} & {"AnB"}, "a curve can be taken out"
        page.one("input[value=top1]").send_keys(Keys.ARROW_RIGHT)
        assert page.texts(".levels text") == ["base"]


@pytest.mark.browser
def test_names_from_records_are_text(browser, address):  # noqa: F811
    with tab(browser, address) as page:
        assert f"{HTML}: diverged" in page.texts(".notes li")
        assert not page.all("img")
        assert page.driver.execute_script("return document.title") == "Transfer"


@pytest.mark.browser
def test_the_tab_follows_the_dark_mode_of_tensorboard(browser, address):  # noqa: F811
    def switch(mode):
        page.driver.switch_to.default_content()
        page.one("app-header-dark-mode-toggle button").click()
        page.one("button.mat-mdc-menu-item", mode).click()
        page.wait(lambda: not page.all("button.mat-mdc-menu-item"), "the menu to close")
        page.driver.switch_to.frame(page.one("iframe[src*=tftransfer]"))
        return page.driver.execute_script("return getComputedStyle(document.body).backgroundColor")

    with tab(browser, address) as page:
        assert switch("Dark") == "rgb(48, 48, 48)"
        page.shot("transfer-dark")
        assert switch("Light") == "rgb(255, 255, 255)"


@pytest.mark.browser
def test_networks_appear_while_they_are_trained(browser, logdir, address):  # noqa: F811
    (cell,) = [c for c in fake_runs.cells() if c.name == MISSING]
    (other,) = fake_runs.cells(["RnB"], [2])[2:]
    study = logdir / "study"
    with tab(browser, address) as page, contextlib.closing(fake_runs.begin(study, cell, rows=2)):
        row = page.wait(lambda: page.texts(".progress tbody tr > *"), "progress")
        assert row[0] == cell.name
        page.wait(lambda: page.texts(".progress tbody td")[0] == "200 of 400", "the update")
        page.shot("transfer-progress")
        assert point(page, "AnB", 7), "of the other direction"
        record_files.write(study / cell.name, fake_runs.content(cell))
        page.wait(lambda: not page.all(".progress tbody tr"), "the end of training")
        record_files.write(study / other.name, fake_runs.content(other))
        page.wait(lambda: ("RnB", 2) in markers(page), "a new curve")


@pytest.mark.browser
def test_speed_of_a_study_of_170_networks(tmp_path, browser, capsys):  # noqa: F811
    study = tmp_path / "logdir" / "study"
    networks = fake_runs.cells(split_seeds=(0, 1, 2))[:171]
    for cell in networks[:170]:
        record_files.write(study / cell.name, fake_runs.content(cell))

    def seconds(address):
        start = time.perf_counter()
        with urllib.request.urlopen(f"{address}data/plugin/tftransfer/study?name=study") as answer:
            assert json.load(answer)["finished"] in (170, 171)
        return time.perf_counter() - start

    with browsing.tensorboard(tmp_path / "logdir") as address:
        first, again = seconds(address), seconds(address)
        record_files.write(study / networks[170].name, fake_runs.content(networks[170]))
        changed = seconds(address)
        start = time.perf_counter()
        with tab(browser, address):
            shown = time.perf_counter() - start
    with capsys.disabled():
        print(
            f"\ntab, 170 networks: first answer with pandas' import {first:.2f} s, nothing new {again:.3f} s, one new "
            f"record {changed:.3f} s; the tab in the browser, TensorBoard's own page included, {shown:.1f} s"
        )


@pytest.mark.slow
def test_tensorboard_finds_the_installed_tab(tmp_path, logdir):
    source = tmp_path / "source"
    for folder in ("tftransfer", "flags"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path / "site", source]
    done = subprocess.run(command, capture_output=True, text=True)
    if "Could not find a version that satisfies the requirement setuptools" in done.stderr:
        pytest.skip("needs a package index, to build")
    assert done.returncode == 0, done.stderr
    started = (sys.executable, "-m", "tensorboard.main")
    with browsing.tensorboard(logdir, started, path=tmp_path / "site", cwd=tmp_path) as address:

        def get(path):
            with urllib.request.urlopen(f"{address}{path}") as answer:
                return answer.read()

        assert json.loads(get("data/plugins_listing"))["tftransfer"]["enabled"]
        assert json.loads(get("data/plugin/tftransfer/study?name=study"))["finished"] >= 57
        assert b"export async function render" in get("data/plugin/tftransfer/index.js")


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    """A study with preserved blocks, pretrained weights, longer bases near the standard ones, and names of markup."""
    study = tmp_path_factory.mktemp("variants") / "logdir" / "study"
    for cell in fake_runs.cells(["AnB", "BnB", "AnB+"], [1, 2, 3]):
        record_files.write(study / cell.name, fake_runs.content(cell))
    for preserve, release_step in ((2, 0), (3, 0), (2, 100)):
        for n in (1, 2):
            fake_study.write(study, f"A{n}B", 0.5, preserve=preserve, release_step=release_step)
    for label in ("A1B", "A2B", "A1B+", "A2B+"):
        of = fake_study.cell(label)
        of = dataclasses.replace(of, treatment=dataclasses.replace(of.treatment, pretrained="1a2b3c4d" * 8))
        record_files.write(study / of.name, fake_study.content(of, 0.55))
    of = fake_study.cell("base", target="B")
    of = dataclasses.replace(of, treatment=dataclasses.replace(of.treatment, longer_by="A"))
    record_files.write(study / of.name, fake_study.content(of, 0.601))
    enormous = fake_study.content(fake_study.cell("A7B"), None, name=HTML + "\x1b[2J\u202e" + "x" * 2_000_000)
    record_files.write(study / "enormous", enormous)
    with browsing.tensorboard(study.parent) as found:
        yield found


@pytest.mark.browser
def test_every_line_of_the_tab_has_a_look_and_a_name_of_its_own(browser, variants):  # noqa: F811
    js = """return [...document.querySelectorAll("[data-curve]")].map((curve) => [curve.dataset.curve,
        getComputedStyle(curve).color + curve.querySelector(".marker").getAttribute("d")
        + getComputedStyle(curve.querySelector(".line")).strokeDasharray]);"""
    with tab(browser, variants) as page:
        looks = dict(page.driver.execute_script(js))
        assert set(looks) == {
            "AnB", "BnB", "AnB+", "AnB, 2 preserved", "AnB, 3 preserved", "AnB, 2 preserved, released at step 100",
            "AnB of weights 1a2b3c4d",
            "AnB+ of weights 1a2b3c4d",
        }  # fmt: skip
        assert len(set(looks.values())) == len(looks)
        page.shot("transfer-variants")


@pytest.mark.browser
def test_names_beside_the_chart_do_not_lie_on_each_other_or_beyond_it(browser, variants):  # noqa: F811
    js = """return [...document.querySelectorAll(".levels text")].map((text) => {
        const [box, edge] = [text.getBoundingClientRect(), document.querySelector(".chart").getBoundingClientRect()];
        return [box.top, box.bottom, box.right <= edge.right && box.top >= edge.top && box.bottom <= edge.bottom];});"""
    with tab(browser, variants) as page:
        for measure in ("top1", "minus_base"):
            choose(page, measure)
            found = sorted(page.wait(lambda: page.driver.execute_script(js), "names"))
            assert len(found) == (3 if measure == "top1" else 2)
            assert all(within for _, _, within in found)
            for (_, bottom, _), (top, _, _) in itertools.pairwise(found):
                assert top >= bottom - 3, "letters have room above and below in their boxes"


@pytest.mark.browser
def test_an_enormous_hostile_name_breaks_nothing_on_a_narrow_screen(browser, variants):  # noqa: F811
    with tab(browser, variants) as page:
        (note,) = [text for text in page.texts(".notes li") if "diverged" in text]
        assert len(note) < 500
        assert "\\x1b[2J\\u202e" in note
        assert not page.all("img")
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        for width in (500, 1400):
            page.driver.set_window_size(width, 1000)
            page.wait(lambda: page.all("[data-curve] .marker"), "curves")
            page.wait(lambda: page.driver.execute_script(wide) <= 0, "a page no wider than its frame", 10)
            page.shot(f"transfer-variants-{width}")
