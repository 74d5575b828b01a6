"""Messages of nodes: those that are taken, and those that are refused by name."""

import pytest

from tftransfer.scheduling.ray import messages
from tftransfer.scheduling.ray.messages import RefusedError

NAMES = ("random0-baseB-seed0", "random0-B1B-seed0")
HEARTBEAT = {
    "networks": {NAMES[0]: None},
    "step": 1,
    "steps": 2,
    "images_per_second": None,
    "time": 3.0,
    "started": 1.0,
}
OK = {"status": "ok", "message": "", "elsewhere": [], "lost": []}
END = {"end": OK, "networks": [NAMES[0]], "log": "", "experiment": {"events.out.tfevents.1": b""}}


@pytest.mark.parametrize(
    "item",
    [{"node": "n1"}, {"where": "host"}, {"unusable": "why"}, {"heartbeat": HEARTBEAT | {"where": "host 1"}}, END],
    ids=lambda item: next(iter(item)),
)
def test_the_messages_of_an_honest_node_are_taken(item):
    messages.check(item, NAMES)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"node": "n1", "where": "host"}, "no message"),
        ({"node": 1}, "no text as node"),
        ({"heartbeat": HEARTBEAT | {"where": "x", "step": 1e300}}, "said nothing"),
        ({"heartbeat": HEARTBEAT | {"where": "x", "networks": {"other": 0.5}}}, "nobody asked for"),
        (END | {"networks": ["other"]}, "nobody asked for: 'other'"),
        (END | {"experiment": {f"events.out.tfevents.{i}": b"" for i in range(11)}}, "too large"),
        (END | {"experiment": {"events.out.tfevents./../x": b""}}, "another name"),
        (dict(zip("abcd", "abcd", strict=True)), "an unknown message: 'a', 'b', 'c', 'd'|unknown message"),
    ],
    ids=str,
)
def test_all_others_are_refused_by_name(item, reason):
    with pytest.raises(RefusedError, match=reason):
        messages.check(item, NAMES)


@pytest.mark.parametrize("name", ["record.json", "weights.weights.h5", "events.out.tfevents.1", "a b", "\u00e9"])
def test_plain_names_are_those_of_files_in_a_folder(name):
    assert messages.is_plain(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "/a", "../a", "a\\b", "a\0b", "a\nb", "x" * 256, 3, None, b"a"], ids=repr
)
def test_all_other_names_are_not(name):
    assert not messages.is_plain(name)


def test_what_is_printed_of_a_text_steers_no_terminal():
    assert messages.printable("bad\x1b[2J\nnews") == "bad [2J news"
    assert len(messages.printable("x" * 1_000_000)) == 10_000
