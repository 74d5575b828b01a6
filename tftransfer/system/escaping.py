r"""Texts of others made safe for output: names of classes, files and data sets, reasons of failures, lines of logs.

The authors of a data set, a description of weights or a record choose such texts, and they reach terminals, Markdown,
HTML, spreadsheets and TensorBoard. There is one function for each; all show control characters, marks that change the
direction of text, and bytes that are no text, as escapes such as `\x1b`, and shorten very long texts.
"""

import hashlib
import html as html_library
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TextIO

MOST_OF_NAME, MOST_OF_TEXT = 300, 4_000
MOST_OF_CELL = 32_000  # a cell of a spreadsheet holds 32,767 characters
# Control characters, marks of format (direction, width, language), halves of pairs, ends of lines and paragraphs.
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Characters that begin a formula in a spreadsheet; the last four are the wide forms of East Asian keyboards.
_FORMULA = tuple("=+-@\t\r\n" + "\uff1d\uff0b\uff0d\uff20")
_DIGITS = re.compile(r"\d+(\.\d+)?")
_NAMES_SHOWN = 5
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def visible(text: str, keep: str = "", most: int = MOST_OF_TEXT) -> str:
    r"""Returns a text with its control characters as escapes.

    Args:
        text: The text, from anybody.
        keep: Characters that stay as they are, such as "\n" where lines are the caller's own.
        most: Number of characters; a longer text is cut, and its length and 8 digits of its SHA-256 are added.

    Example:
        >>> visible("\x1b[2Jred \u202etxt.exe")
        '\\x1b[2Jred \\u202etxt.exe'
    """
    if len(text) > most:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        text = f"{text[:most]}\N{HORIZONTAL ELLIPSIS} ({len(text)} characters, {digest})"
    if text.isascii() and text.isprintable():
        return text
    hidden = {c for c in set(text) if c not in keep and unicodedata.category(c) in _HIDDEN}
    return "".join(c.encode("unicode_escape").decode() if c in hidden else c for c in text)


def terminal(text: object, most: int = MOST_OF_NAME) -> str:
    r"""Returns a name or a reason as one line for a terminal.

    Example:
        >>> terminal("cat\ndone\x07")
        'cat\\ndone\\x07'
    """
    return visible(str(text), most=most)


def first(names: Sequence[object], most: int = 10) -> str:
    """Returns the first names of a list, safe for a terminal, and the number of the others.

    Example:
        >>> first(["cat", "dog", "eel"], most=2)
        'cat, dog and 1 more'
    """
    shown = ", ".join(terminal(name, 80) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def say(text: object, file: TextIO | None = None) -> None:
    r"""Prints lines that may hold texts of others; line breaks and tabs stay.

    Args:
        text: The lines.
        file: Standard output if None.
    """
    print(visible(str(text), keep="\n\t", most=1_000_000), file=file or sys.stdout, flush=True)


def markdown(text: str, most: int = MOST_OF_TEXT) -> str:
    r"""Returns a text that Markdown shows as it is, without HTML, links, emphasis or table cells in it.

    Example:
        >>> markdown("<b> a|b_c")
        '&lt;b&gt; a\\|b\\_c'
    """
    plain = visible(" ".join(text.split()), most=most)
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = re.sub(r"([\\`*_\[\]|#~!$])", r"\\\1", plain)
    # Addresses become links by themselves; so do the starts of lists, in the first column.
    plain = re.sub(r"(?i)\b(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)", r"\1\3\\\2\4", plain).replace("@", "\\@")
    return re.sub(r"^([-+](?=\s|$)|--+$|\d+(?=[.)](\s|$)))", lambda start: _inert(start[0]), plain)


def _inert(start: str) -> str:
    """Returns the first characters of a line, escaped so that they begin no list or rule."""
    return f"&#{ord(start[0])};{start[1:]}"


def markdown_code(text: str, most: int = MOST_OF_TEXT) -> str:
    """Returns a text as code in Markdown, in a fence that is longer than any run of backticks in it."""
    plain = visible(" ".join(text.split()), most=most)
    longest = max((len(run) for run in re.findall("`+", plain)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {plain} {fence}" if longest else f"`{plain}`"


def html(text: str) -> str:
    """Returns a text for HTML and SVG, for elements and quoted attributes."""
    return html_library.escape(visible(text, keep="\n\t"))


def page(value: object) -> object:
    """Returns a value for a Jinja template, which escapes HTML itself; the package's own markup stays as it is."""
    return visible(value, keep="\n\t") if isinstance(value, str) and not hasattr(value, "__html__") else value


def figure(text: str, most: int = 60) -> str:
    r"""Returns a text for Matplotlib, which would read text between dollar signs as mathematics.

    Example:
        >>> figure("$\\frac$")
        '\\$\\frac\\$'
    """
    return visible(text, most=most).replace("$", r"\$")


def csv(value: object) -> object:
    """Returns a cell of a CSV file; a text that a spreadsheet would take for a formula gets an apostrophe in front.

    Numbers, and texts that are numbers, stay as they are.

    Example:
        >>> csv("=1+1"), csv(-0.5), csv("-0.5"), csv("A4B+")
        ("'=1+1", -0.5, '-0.5', 'A4B+')
    """
    if not isinstance(value, str):
        return value
    risky = value.lstrip(" \N{NO-BREAK SPACE}").startswith(_FORMULA) and not _NUMBER.fullmatch(value)
    return f"{chr(39) if risky else ''}{visible(value, most=MOST_OF_CELL)}"


def tensorboard(text: object, most: int = MOST_OF_NAME) -> str:
    """Returns a text for the views of TensorBoard, without characters that its protocol cannot carry."""
    return visible(str(text), most=most)


def distinct(warnings: Iterable[tuple[str, str]]) -> list[str]:
    """Returns each distinct warning once; warnings that differ in network and numbers only are one.

    Args:
        warnings: Names of networks and warnings about them, the gravest first.

    Example:
        >>> distinct([("a", "a is at chance: 5.0 %"), ("b", "b diverged"), ("c", "c is at chance: 5.1 %")])
        ['a is at chance: 5.0 % (likewise 1 more: c)', 'b diverged']
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, text in warnings:
        alike = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "\0", text) if name else text
        groups.setdefault(_DIGITS.sub("#", alike), []).append((name, text))
    return [_counted(group) for group in groups.values()]


def _counted(group: list[tuple[str, str]]) -> str:
    """Returns the first of several warnings that are alike, with the other networks that have it."""
    first, text = group[0]
    names = [terminal(name) for name in dict.fromkeys(name for name, _ in group) if name != first]
    text = terminal(text, MOST_OF_TEXT)
    if not names:
        return text if len(group) == 1 else f"{text} ({len(group)} times)"
    rest = f" and {len(names) - _NAMES_SHOWN} others" if len(names) > _NAMES_SHOWN else ""
    return f"{text} (likewise {len(names)} more: {', '.join(names[:_NAMES_SHOWN])}{rest})"
