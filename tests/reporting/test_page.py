import html.parser
import re

import pytest

import fake_study
from tftransfer import report
from tftransfer.records import record_files

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(html.parser.HTMLParser):
    """What a browser would load, run and show; raises AssertionError where tags do not close."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.shown, self.ids = [], [], [], []
        self._open = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        values = dict(attributes)
        self.links += [values[name] for name in ("href", "src", "xlink:href") if name in values]
        self.ids += [values["id"]] if "id" in values else []
        assert not [name for name in values if name.startswith("on")], "no scripts in attributes"
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.shown.append(data)


def page_of(study, folder, *options):
    assert report.main(["report", f"--study={study}", f"--out={folder}", *options]) == 0
    return (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    return page_of("paper", tmp_path_factory.mktemp("paper"))


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(paper):
    page = Page(paper)
    assert "script" not in page.tags
    assert all(link.startswith(("#", "data:text/csv;")) for link in page.links)
    outside = re.sub(r'xmlns(:xlink)?="[^"]*"', "", paper)
    assert not re.search(r"url\((?!#)|@import", outside)
    assert "default-src 'none'" in paper


def test_links_inside_the_page_lead_somewhere_and_ids_are_unique(paper):
    page = Page(paper)
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]*)\)", paper)) <= set(page.ids)


def test_the_page_opens_with_what_the_numbers_say(paper):
    start = paper.index('<div class="summary">')
    assert start < paper.index('id="figures"') < paper.index('id="tables"') < paper.index('id="warnings"')
    said = paper[start : paper.index("</div>", start)]
    assert "\N{MINUS SIGN}8.24 percentage points (95" in said


def test_marks_say_their_values(paper):
    assert "<title>A5B, random0, seed 0: 58.6 % (\N{MINUS SIGN}4.84 percentage points from its base)</title>" in paper
    assert "<title>AnB, n = 7: \N{MINUS SIGN}8.26 percentage points, 95 % interval \N{MINUS SIGN}8.57 to" in paper


def test_the_csv_inside_is_the_table(paper):
    import base64
    import io

    import pandas as pd

    from tftransfer import analysis

    (encoded,) = re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]*)" download="networks.csv"', paper)
    found = pd.read_csv(io.BytesIO(base64.b64decode(encoded)))
    frame = analysis.networks("paper")
    assert found["name"].tolist() == frame["name"].tolist()
    assert found["minus_base"].tolist() == pytest.approx(frame["minus_base"].tolist())


def test_names_cannot_become_markup(tmp_path):
    hostile = "</svg><script>alert('x')</script>\"' onload=x"
    base = fake_study.content(fake_study.cell("base", target="B"), 0.5)
    for label, top1 in (("A4B", 0.4), ("B4B", 0.45), ("A5B", 0.3), ("B5B", 0.35)):
        content = fake_study.content(fake_study.cell(label), top1)
        for one in (base, content):
            one["name"] = f"{one['name'][:20]}{hostile.replace('/', '')}"  # a slash is refused when it is read
            one["identity"]["recipe"]["dataset"] = hostile
            one["identity"]["split"] = f"file-{hostile}"
            one["command"] = hostile
            one["machine"]["processor"] = hostile
        record_files.write(tmp_path / "study <b>" / label, content)
    record_files.write(tmp_path / "study <b>" / "base", base)
    (tmp_path / "study <b>" / "begun <i>").mkdir()
    (tmp_path / "study <b>" / "begun <i>" / "events.out.tfevents.1").touch()
    text = page_of(tmp_path / "study <b>", tmp_path / "out", "--format=html,svg,md,csv")
    page = Page(text)
    assert not {"script", "b", "i"} & set(page.tags)
    assert "<script" not in text
    assert "alert('x')" in "".join(page.shown)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names), names


@pytest.fixture(scope="module")
def small_study(tmp_path_factory):
    study = tmp_path_factory.mktemp("small") / "s"
    fake_study.write(study, "base", 0.5, target="B")
    for label, top1 in (("A4B", 0.4), ("B4B", 0.45), ("A5B", 0.35)):
        fake_study.write(study, label, top1)
    return study


@pytest.fixture(scope="module")
def small_page(small_study, tmp_path_factory):
    return page_of(small_study, tmp_path_factory.mktemp("page"))


def test_a_report_repeats_to_the_byte(small_study, small_page, tmp_path):
    assert page_of(small_study, tmp_path) == small_page


def test_an_overlay_draws_the_paper(small_study, small_page, tmp_path):
    assert "dashed: the paper" in page_of(small_study, tmp_path, "--overlay=paper")
    assert "dashed: the paper" not in small_page


def test_an_unfinished_study_is_a_page_without_figures(tmp_path):
    (tmp_path / "s" / "begun").mkdir(parents=True)
    (tmp_path / "s" / "begun" / "events.out.tfevents.1").touch()
    text = page_of(tmp_path / "s", tmp_path / "out")
    assert "svg" not in Page(text).tags
    assert "begun" in text
