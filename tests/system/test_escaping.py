import csv
import io

import pytest

from tftransfer.system import escaping

HOSTILE = "\x1b[2J\x07\u202egnp.exe\u2066\udcff\x9b31m\r\n\u2028| `x` <script>alert(1)</script> [a](javascript:b)"


@pytest.mark.parametrize(
    "outlet", [escaping.terminal, escaping.markdown, escaping.markdown_code, escaping.figure, escaping.csv,
               escaping.tensorboard]
)  # fmt: skip
def test_nothing_acts_and_every_text_is_one_line_of_utf_8(outlet):
    shown = outlet(HOSTILE)
    shown.encode("utf-8")
    assert shown.isprintable()
    assert not {"\x1b", "\u202e", "\n", "\r", "\u2028", "\x9b"} & set(shown)
    assert "gnp.exe" in shown.replace("\\", "")


def test_lines_of_our_own_stay_lines(capsys):
    escaping.say("one\n\ttwo \x1b[31m\u202e")
    assert capsys.readouterr().out == "one\n\ttwo \\x1b[31m\\u202e\n"
    assert escaping.html("a\n<b>\x00") == "a\n&lt;b&gt;\\x00"


def test_letters_of_all_scripts_stay():
    for text in ("\u732b", "chien \u00e9t\u00e9", "\u0643\u0644\u0628", "\U0001f431", "4.5 \u2212 3"):
        assert escaping.terminal(text) == text


def test_what_is_enormous_is_short_and_still_told_apart():
    one, two = (escaping.tensorboard("x" * 5_000_000 + end) for end in "ab")
    assert one != two
    assert len(one) < 400
    assert "5000001 characters" in one


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"])
def test_no_cell_is_a_formula(text):
    buffer = io.StringIO()
    csv.writer(buffer).writerow([escaping.csv(text)])
    (row,) = csv.reader(io.StringIO(buffer.getvalue()))
    assert row[0].startswith("'")


@pytest.mark.parametrize("value", [-0.5, 3, None, True, "-0.5", "+1e-3", "A4B+", "random0-A4B-seed0", ""])
def test_numbers_and_plain_names_stay_as_they_are(value):
    assert escaping.csv(value) is value or escaping.csv(value) == value


@pytest.mark.parametrize("text", ["- a", "+ a", "1. a", "1) a", "---", "# a", "> a", "* a", "https://a.b", "www.a.b"])
def test_markdown_makes_nothing_of_a_text(text):
    markdown = pytest.importorskip("markdown_it")
    found = markdown.MarkdownIt("commonmark").parse(escaping.markdown(text))
    assert [token.type for token in found] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in found[1].children} <= {"text", "text_special"}


def test_signed_numbers_are_left_alone_in_markdown():
    assert escaping.markdown("+1.6") == "+1.6"
    assert escaping.markdown("3.5 %") == "3.5 %"
