"""TensorBoard's own HParams view, in a real browser, of networks that the project's writers wrote."""

import re
import time

import pytest

import browsing
import fake_runs
from browsing import browser  # noqa: F401
from tftransfer.records import event_files

pytestmark = pytest.mark.browser

COLUMNS = ["n", "seed", "split", "target", "treatment"]
METRICS = list(event_files.METRICS.values())
SHOWN = ["Trial ID", "Show Metrics", *COLUMNS, *METRICS]
# The table draws rows that are in sight only, in an order of its own: sorted here by their place on the screen.
TABLE = """
const found = (root, name) => [...root.querySelectorAll("*")].flatMap((element) => [
    ...(element.matches(name) ? [element] : []), ...(element.shadowRoot ? found(element.shadowRoot, name) : [])]);
const [grid] = found(document, "vaadin-grid");
const cells = (part) => [...grid.shadowRoot.querySelectorAll(`tr:not([hidden]) [part~="${part}"] slot`)]
    .map((slot) => ({box: slot.parentElement.getBoundingClientRect(), of: slot.assignedElements()[0]}))
    .filter(({box, of}) => box.height && of)
    .map(({box, of}) => ({x: box.x, y: box.y, text: of.textContent.replace(/\\s+/g, " ").trim()}));
const rows = {};
for (const {x, y, text} of cells(arguments[0])) (rows[Math.round(y)] ??= []).push([x, text]);
return Object.keys(rows).map(Number).sort((a, b) => a - b)
    .map((y) => rows[y].sort((a, b) => a[0] - b[0]).map(([, text]) => text));
"""


class View:
    """The HParams view of a TensorBoard."""

    def __init__(self, page, address):
        self.page = page
        started = time.monotonic()
        page.driver.set_window_size(2200, 1100)
        page.open("about:blank")
        page.open(f"{address}#hparams")
        page.wait(lambda: self.rows(), "rows of the table")
        self.seconds = time.monotonic() - started

    def header(self):
        return self.page.driver.execute_script(TABLE, "header-cell")[0]

    def rows(self):
        """Returns the rows in sight, each by the name of its column."""
        header = self.header()
        rows = self.page.driver.execute_script(TABLE, "body-cell")
        return [dict(zip(header, row, strict=True)) for row in rows if row[0]]

    def matching(self):
        """Returns how many networks the view says that it has found."""
        (text,) = [t for t in self.page.texts(".section.paging") if "matching session groups" in t]
        return int(re.search(r"matching session groups: (\d+)", text)[1])

    def sort(self, column, direction):
        """Chooses from the lists "Sort by" and "Direction"."""
        for title, wanted in (("Sort by", column), ("Direction", direction)):
            (menu,) = [m for m in self.page.all("paper-dropdown-menu") if m.get_attribute("label") == title]
            self.page.driver.execute_script(
                "const items = [...arguments[0].querySelectorAll('paper-item')];"
                "items.find((item) => item.textContent.trim() === arguments[1]).click();",
                menu,
                wanted,
            )

    def filter(self, column, pattern):
        """Writes a regular expression into the box below a column's name."""
        (pane,) = [e for e in self.page.all(".hparam") if e.text.split("\n")[0] == column]
        box = pane.find_element("css selector", "paper-input")
        self.page.driver.execute_script("arguments[0].value = arguments[1]", box, pattern)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of 16 networks, and its TensorBoard."""
    logdir = tmp_path_factory.mktemp("hparams") / "logdir"
    networks = fake_runs.cells(["BnB", "AnB"], range(1, 8))
    for cell in networks:
        fake_runs.finish(logdir / "study", cell)
    with browsing.tensorboard(logdir) as address:
        yield networks, address


@pytest.fixture
def view(study, browser):  # noqa: F811
    found = View(browser, study[1])
    browser.wait(lambda: found.matching() == len(study[0]), "all networks")
    return found


def test_each_network_is_one_row_with_the_declared_columns_and_metrics(view, study):
    assert view.header() == SHOWN
    offered = [text.split(" ")[0] for text in view.page.texts(".hparam")]
    assert sorted(offered) == sorted([*event_files.TREATMENT_COLUMNS, *event_files.RECIPE_COLUMNS])
    assert offered[:5] == COLUMNS
    rows = {row["Trial ID"]: row for row in view.rows()}
    assert len(rows) == len(study[0])
    for cell in study[0]:
        row = rows[f"{cell.treatment.label}: {cell.name} in study"]
        assert (row["treatment"], float(row["n"])) == (cell.treatment.family, cell.treatment.n)
        assert (row["target"], row["split"], float(row["seed"])) == (cell.treatment.target, "random0", 0)
        assert float(row["top-1"]) == pytest.approx(fake_runs.top1(cell), abs=1e-4)
        expected = fake_runs.content(cell)["result"]["minus_base"]
        assert float(row["minus base"]) == pytest.approx(expected, abs=1e-4)
    view.page.shot("hparams")


@pytest.mark.parametrize("direction", ["Ascending", "Descending"])
def test_rows_are_sorted_by_minus_base(view, direction):
    view.sort("minus base", direction)

    def sorted_rows():
        values = [float(row["minus base"]) for row in view.rows()]
        return values == sorted(values, reverse=direction == "Descending") and values

    values = view.page.wait(sorted_rows, "sorted rows")
    assert len(set(values)) > 10
    view.page.shot(f"hparams-{direction.lower()}")


def test_a_treatment_is_filtered(view):
    view.filter("treatment", "^AnB$")
    view.page.wait(lambda: view.matching() == 7, "seven networks")
    view.page.wait(lambda: {row["treatment"] for row in view.rows()} == {"AnB"}, "rows of AnB only")
    assert sorted(float(row["n"]) for row in view.rows()) == [*map(float, range(1, 8))]
    view.page.shot("hparams-filtered")


def test_parallel_coordinates_show_every_network(view, study):
    view.page.one("paper-tab", "PARALLEL COORDINATES").click()
    view.page.wait(lambda: len(view.page.all("g.foreground path[d]")) == len(study[0]), "a line for each network")
    assert view.page.texts(".axis-title") == [*COLUMNS, *METRICS]
    view.page.shot("hparams-parallel")


def test_a_study_of_170_networks_loads(tmp_path, browser, capsys):  # noqa: F811
    networks = fake_runs.cells(split_seeds=(0, 1, 2))[:170]
    for cell in networks:
        fake_runs.finish(tmp_path / "logdir" / "study", cell)
    with browsing.tensorboard(tmp_path / "logdir") as address:
        first = View(browser, address)
        browser.wait(lambda: first.matching() == 170, "170 networks")
        again = View(browser, address)
        assert again.matching() == 170
    with capsys.disabled():
        print(f"\nHParams view of 170 networks: {first.seconds:.1f} s just after start, {again.seconds:.1f} s later")
