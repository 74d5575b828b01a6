import itertools

import pytest

from tftransfer.experiment import policies


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("k4n4", "k4n4"),
        ("k4t3n1", "k4t3n1"),
        ("k2t1k4n1", "k2t1k4n1"),
        ("k4d3n1", "k4d3n1"),
        ("n2k5n1", "n2k5n1"),
        ("t2d5n1", "t2d5n1"),
        ("n8", "n8"),
        ("k*n1", "k7n1"),
        ("k2t*n1", "k2t5n1"),
        ("k4n*", "k4n4"),
        ("k4d*n1", "k4d3n1"),
        ("k4d3n*", "k4d3n1"),
        ("k*t3n5", "t3n5"),
        ("k7d*n1", "k7n1"),
        ("k2k2n3n1", "k4n4"),
        ("k4d1d2n1", "k4d3n1"),
        ("k2k*n1", "k7n1"),
    ],
)
def test_a_policy_has_one_decision_for_each_of_eight_blocks(text, expected):
    parsed = policies.parse(text, 8)
    assert parsed == expected
    assert len(policies.decisions(parsed)) == 8
    assert policies.parse(parsed, 8) == policies.parse(parsed) == parsed


def test_the_rest_stays_open_while_the_number_of_blocks_is_not_known():
    for text in ("k*n1", "k2t*n1", "k4n*", "k4d*n1", "k4d3n*"):
        assert policies.parse(text) == text
        assert policies.REST not in policies.parse(policies.parse(text), 8)


@pytest.mark.parametrize("blocks", [8, None])
@pytest.mark.parametrize(
    "text",
    ["", "k", "4k", "x4n4", "K4n4", "k4 n4", "k0n8", "k04n4", "k-1n9", "k**n1", "k12345n1", "k4n4\n", "k\u0664n4", "*"],
)
def test_what_is_no_policy_is_refused_with_its_letters(text, blocks):
    with pytest.raises(ValueError, match=r"run lengths of k \(keep\), t \(tune\), n \(new\) and d \(drop\)") as caught:
        policies.parse(text, blocks)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "blocks", "message"),
    [
        ("k*t*n1", 8, "Only one run"),
        ("k*t*n1", None, "Only one run"),
        ("k4n3", 8, "has 8 blocks, its head included. Received: k4n3, which decides 7"),
        ("k4n5", 8, "which decides 9"),
        ("k9n*", 8, "which decides 9"),
        ("k8", 8, "head of a network is always new"),
        ("k7n*", 7, "head of a network is always new"),
        ("n4k4", None, "head of a network is always new"),
        ("k4d4", None, "head of a network is always new"),
        ("d7n1", 8, "at least one stays"),
        ("d*n1", 8, "at least one stays"),
        ("k2d2k3n1", 8, "directly below the head"),
        ("k2d2t1d2n1", 8, "directly below the head"),
        ("k4d2n2", 8, "Only the head stands above"),
        ("k4d2n1n1", 8, "Only the head stands above"),
        ("k4d2n2", None, "Only the head stands above"),
    ],
)
def test_policies_that_contradict_themselves_or_the_network_are_refused(text, blocks, message):
    with pytest.raises(ValueError, match=message):
        policies.parse(text, blocks)


def test_letters_and_run_lengths_say_the_same():
    """All policies of five blocks."""
    checked = 0
    for letters in map("".join, itertools.product("ktnd", repeat=4)):
        text = policies.written(f"{letters}n")
        assert policies.decisions(text) == f"{letters}n"
        kept = letters.rstrip(policies.DROP)
        if kept and policies.DROP not in kept:
            assert policies.parse(text, 5) == text
            checked += 1
        else:
            with pytest.raises(ValueError, match="dropped"):
                policies.parse(text, 5)
    assert checked == 81 + 27 + 9 + 3
    assert policies.written("") == policies.decisions("") == ""


@pytest.mark.parametrize(
    ("letters", "frozen"), [("", 0), ("kkk", 3), ("kktk", 2), ("tkk", 0), ("nkkk", 0), ("kkdd", 2), ("kkkkn", 4)]
)
def test_frozen_from_the_input_ends_at_the_first_block_that_is_not(letters, frozen):
    assert policies.frozen_from_input(letters) == frozen


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("k4t3n1", ("ktn", 4)),
        ("k1t6n1", ("ktn", 1)),
        ("k4d3n1", ("kdn", 4)),
        ("t2d5n1", ("tdn", 2)),
        ("t3k4n1", ("tkn", 3)),
        ("k4n4", ("kn", 4)),
        ("k7n1", ("kn", 7)),
        ("k2t1k4n1", ("k2t1k4n1", 2)),
        ("t2k3n3", ("t2k3n3", 2)),
        ("n2k5n1", ("n2k5n1", 0)),
        ("k*n1", ("k*n1", 0)),
    ],
)
def test_a_family_is_what_differs_in_its_first_run_alone(text, family):
    assert policies.family(text) == family


def test_members_of_a_family_are_told_apart_by_their_first_run():
    """Of all policies of five blocks, family and number give the policy back."""
    seen = {}
    for letters in map("".join, itertools.product("ktnd", repeat=4)):
        text = policies.written(f"{letters}n")
        seen.setdefault(policies.family(text), []).append(text)
    assert [texts for texts in seen.values() if len(texts) > 1] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("k4n4", "blocks 1 to 4 kept, 5 to 7 new, new head"),
        ("k2t1k4n1", "blocks 1 to 2 kept, 3 tuned, 4 to 7 kept, new head"),
        ("k4d3n1", "blocks 1 to 4 kept, 5 to 7 dropped, new head"),
        ("k1n1", "block 1 kept, new head"),
        ("n2k5n1", "blocks 1 to 2 new, 3 to 7 kept, new head"),
    ],
)
def test_policies_in_words(text, words):
    assert policies.in_words(text) == words
