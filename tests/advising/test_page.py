import re
from html.parser import HTMLParser

import pytest

import made_advice
from browsing import browser  # noqa: F401
from tftransfer.advising import page

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Reader(HTMLParser):
    """Collects texts, links and addresses, and checks that elements are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.ids, self.links, self.outside = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += filter(None, [attrs.get("id")])
        self.links += filter(None, [attrs.get("href")])
        self.outside += [v for k, v in attrs.items() if k in ("src", "href") and not v.startswith("#")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """<line .../> opens nothing."""

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(content):
    reader = Reader()
    reader.feed(page.html(content))
    assert not reader.open
    reader.text = " ".join(" ".join(reader.texts).split())
    return reader


def test_the_sentences_come_first_and_all_parts_are_there():
    content = made_advice.content(model_file="advice/photos/model.keras", code_file="advice/photos/finetune.py")
    reader = read(content)
    places = [reader.text.index(sentence) for sentence in content["sentences"]]
    assert places == sorted(places)
    assert places[-1] < reader.text.index("Which blocks")
    assert {"blocks", "race", "repeats", "candidates", "scores", "power", "limits", "on"} <= set(reader.ids)
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)
    for one in content["candidates"]:
        assert one["words"] in reader.text
    assert "advice/photos/model.keras" in reader.text
    assert "python advice/photos/finetune.py" in reader.text


def test_nothing_comes_from_elsewhere():
    reader, text = read(made_advice.content()), page.html(made_advice.content())
    assert not reader.outside
    assert "<script" not in text
    assert "http" not in re.sub(r'http-equiv="[^"]*"', "", text)
    assert "default-src 'none'" in text


def test_what_was_not_left_behind_is_not_named():
    reader = read(made_advice.content())
    assert "load_model" not in reader.text
    assert "finetune.py" not in reader.text


def test_the_page_of_an_advice_that_found_nothing():
    reader = read(made_advice.nothing())
    assert "Nothing transfers" in reader.text
    assert "on" not in reader.ids
    assert "the chosen one" not in reader.text


def test_favourites_are_marked_and_their_regrets_given():
    content = made_advice.content()
    rows = page._score_rows(content)
    for place, (name, of) in enumerate(content["scores"].items()):
        best = [row["depth"] for row in rows if row["values"][place][1]]
        assert best == [int(max(of, key=of.get))], name
    assert sum(row["measured"][1] for row in rows) == 1
    assert "2.0" in page.html(content)


def test_measured_scores_of_dropped_candidates_say_when():
    content = made_advice.content()
    assert "larger than those of whole trainings" in read(content).text
    rows = {row["depth"]: row["early"] for row in page._score_rows(content)}
    for one in content["candidates"]:
        if one["family"] == "keep, drop the rest":
            depth = one["decisions"].index("d")
            assert rows[depth] == ("" if one["mean"] is not None else f"after {one['last_step']}")
    whole = [one | {"mean": one["last"]} for one in content["candidates"]]
    assert "larger than those of whole trainings" not in read(content | {"candidates": whole}).text


def test_dropped_candidates_say_when():
    rows = page._candidates(made_advice.content())
    assert rows[0]["end"] == ""
    assert {row["end"] for row in rows} == {"", "after 75", "after 200"}


@pytest.mark.parametrize("field", ["dataset", "model", "pretrained", "network", "model_file", "code_file", "ended"])
def test_texts_from_outside_are_escaped(field):
    hostile = '"><script>alert(1)</script>\x1b[2J\u202e'
    text = page.html(made_advice.content(warnings=[hostile], **{field: hostile}))
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.browser
@pytest.mark.parametrize("width", [420, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_the_screen(browser, tmp_path, width, scheme):  # noqa: F811
    path = tmp_path / "advice.html"
    path.write_text(page.html(made_advice.content()))
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.open(path.as_uri())
    browser.shot(f"advice-{width}-{scheme}")
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width
    colour = browser.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(255, 255, 255)") == (scheme == "light")
    assert not browser.errors()
