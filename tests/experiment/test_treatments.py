import dataclasses

import pytest

from tftransfer.experiment import policies, treatments
from tftransfer.experiment.treatments import Treatment, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BnB", Treatment("B", 4, "B")),
        ("AnB", Treatment("A", 4, "B")),
        ("BnB+", Treatment("B", 4, "B", True)),
        ("AnB+", Treatment("A", 4, "B", True)),
        ("RnB", Treatment("R", 4, "B")),
        ("AnA", Treatment("A", 4, "A")),
        ("BnA", Treatment("B", 4, "A")),
        ("AnA+", Treatment("A", 4, "A", True)),
        ("BnA+", Treatment("B", 4, "A", True)),
        ("RnA", Treatment("R", 4, "A")),
        ("SnB", Treatment("S", 4, "B")),
        ("Rnall", Treatment("R", 4, "all")),
    ],
)
def test_every_treatment_is_read(text, expected):
    assert parse(text, n=4) == expected
    assert parse(text.replace("n", "4")) == expected, "the paper's spelling"
    assert parse(expected.label) == expected, "a label can be read back"
    assert expected.family == text


def test_all_listed_treatments_are_read():
    for text in treatments.TREATMENTS:
        parsed = parse(text, target="B") if text == "base" else parse(text, n=1)
        assert parsed.family == text


@pytest.mark.parametrize("n", range(1, 8))
def test_n_goes_from_1_to_7(n):
    assert parse("BnB", n=n).n == n


@pytest.mark.parametrize("target", ["A", "B", "all"])
def test_base(target):
    network = parse("base", target=target)
    assert network.is_base
    assert not network.frozen
    assert network.label == f"base{target}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": "BnC", "n": 4}, "Unknown treatment"),
        ({"text": "CnB", "n": 4}, "Unknown treatment"),
        ({"text": "bnb", "n": 4}, "Unknown treatment"),
        ({"text": "B+nB", "n": 4}, "Unknown treatment"),
        ({"text": "", "n": 4}, "Unknown treatment"),
        ({"text": "BnB"}, "Received no --n"),
        ({"text": "BnB", "n": 0}, "n must be 1 to 7"),
        ({"text": "BnB", "n": 8}, "n must be 1 to 7"),
        ({"text": "B8B"}, "n must be 1 to 7"),
        ({"text": "B" + "9" * 400 + "B"}, "n must be 1 to 7"),
        ({"text": "B4B", "n": 3}, "contradicts"),
        ({"text": "BnB", "n": 4, "target": "A"}, "contradicts"),
        ({"text": "base", "n": 4, "target": "B"}, "copies no blocks"),
        ({"text": "base"}, "needs its half"),
        ({"text": "base", "target": "C"}, "needs its half"),
        ({"text": "RnB+", "n": 4}, "are a base"),
        ({"text": "SnB+", "n": 4}, "are a base"),
        ({"text": "Anall", "n": 4}, "no other half"),
        ({"text": "AnB", "n": 4, "preserve": 4}, "must be at most 7"),
        ({"text": "AnB+", "n": 4, "preserve": 1}, "goes with frozen blocks"),
        ({"text": "RnB", "n": 4, "preserve": 1}, "goes with frozen blocks"),
        ({"text": "AnB", "n": 4, "release_step": 9}, "needs --preserve"),
        ({"text": "base", "target": "B", "preserve": 1}, "copies no blocks"),
    ],
)
def test_bad_treatments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        parse(**arguments)


def test_bases_come_first_and_once():
    def labels(text):
        return [network.label for network in treatments.required_bases(parse(text))]

    assert labels("B4B") == ["baseB"]
    assert labels("A4B+") == ["baseA", "baseB"]
    assert labels("R4A") == ["baseA"]
    assert treatments.required_bases(treatments.base("A")) == ()


def test_slugs_are_safe_in_paths():
    assert parse("A4B+").slug == "A4B-tuned"


def test_preserved_blocks_and_staged_release():
    network = parse("A3B", preserve=2, release_step=500)
    assert (network.copied, network.frozen_blocks) == (5, 3)
    assert network.label == "A3B-keep2-from500"
    assert parse("A3B+").frozen_blocks == 0


def test_control_bases():
    control = treatments.longer_base(parse("A4B"))
    assert (control.label, control.is_base, control.is_reference) == ("baseB-plusA", True, False)
    assert treatments.longer_base(parse("R4B")) is None
    assert treatments.longer_base(treatments.base("B")) is None
    assert [n.label for n in treatments.required_bases(parse("S4B"))] == ["baseB"]


def test_copies_of_pretrained_weights_have_names_of_their_own_and_wait_for_no_source():
    network = dataclasses.replace(parse("A4B+"), pretrained="1a2b3c4d" * 8)
    assert (network.label, network.slug, network.family) == (
        "A4B+-w1a2b3c4d",
        "A4B-tuned-w1a2b3c4d",
        "AnB+-w1a2b3c4d",
    )
    assert [base.label for base in treatments.required_bases(network)] == ["baseB"]
    assert treatments.longer_base(network) is None
    assert treatments.for_target(network, "A").label == "B4A+-w1a2b3c4d"


@pytest.mark.parametrize("text", ["A" + "9" * 5000 + "B", "A\u0664B", "A4B\n"])
def test_numbers_that_are_no_plain_digits_are_unknown_treatments(text):
    with pytest.raises(ValueError, match="Unknown treatment"):
        treatments.parse(text)


def test_what_only_the_built_model_tells_is_not_known_yet():
    network = parse("AnB", n="conv4_block6", blocks=None)
    assert network.n is None
    assert (network.label, network.family, network.frozen) == ("AnB", "AnB", True)
    assert parse("AnB", n="conv4_block6", blocks=None, preserve=2).label == "AnB-keep2"
    assert parse("A3B", n="conv4_block6", blocks=None).n == 3, "the name is looked up once the model is built"
    assert parse("AnB", n=10**6, blocks=None, preserve=3).copied == 10**6 + 3
    for arguments, message in (
        ({"text": "AnB"}, "Expected --n=1 or more"),
        ({"text": "AnB", "n": 0}, "n must be at least 1"),
        ({"text": "AnB", "n": "a", "preserve": -1}, "preserve must be at least 0"),
        ({"text": "AnB+", "n": "a", "preserve": 1}, "goes with frozen blocks"),
        ({"text": "RnB+", "n": "a"}, "are a base"),
    ):
        with pytest.raises(ValueError, match=message):
            parse(blocks=None, **arguments)


def test_roles_are_families_written_for_target_b():
    texts = ("A4B", "B4A", "A4A+", "R4all")
    assert [treatments.role(parse(text)) for text in texts] == ["AnB", "AnB", "BnB+", "RnB"]
    assert [treatments.role(treatments.base(target)) for target in treatments.TARGETS] == ["base"] * 3
    assert treatments.role(treatments.longer_base(parse("B4A"))) == "base-plusA"


@pytest.mark.parametrize(
    ("policy", "label"),
    [
        ("k4n4", "A4B"),
        ("k7n1", "A7B"),
        ("k*n1", "A7B"),
        ("t4n4", "A4B+"),
        ("t7n1", "A7B+"),
        ("k3t2n3", "A3B-keep2"),
        ("k2k2n4", "A4B"),
        ("k4t3n1", "A:k4t3n1:B"),
        ("k3t4n1", "A:k3t4n1:B"),
        ("k2t1k4n1", "A:k2t1k4n1:B"),
        ("k4d3n1", "A:k4d3n1:B"),
        ("t2d5n1", "A:t2d5n1:B"),
        ("n2k5n1", "A:n2k5n1:B"),
    ],
)
def test_a_policy_has_the_papers_name_where_there_is_one(policy, label):
    made = treatments.by_policy(policy)
    assert made.label == label
    assert parse(f"A:{policy}:B") == parse(f"A:{policy}") == made
    assert made.slug == label.replace("+", "-tuned").replace(":", "-")
    assert made.decisions == policies.decisions(policies.parse(policy, 8)).rstrip("n")
    if ":" in label:
        assert parse(label) == made, "a label can be read back"
    elif "-" not in label:
        assert parse(label) == made


@pytest.mark.parametrize(
    ("policy", "n", "copied", "frozen_blocks", "frozen", "family"),
    [
        ("k4t3n1", 4, 7, 4, True, "A:ktn:B"),
        ("k2t1k4n1", 2, 7, 2, True, "A:k2t1k4n1:B"),
        ("k4d3n1", 4, 4, 4, True, "A:kdn:B"),
        ("t2d5n1", 2, 2, 0, False, "A:tdn:B"),
        ("n2k5n1", 0, 5, 0, True, "A:n2k5n1:B"),
        ("t3k4n1", 3, 7, 0, True, "A:tkn:B"),
    ],
)
def test_what_a_policy_copies_and_freezes(policy, n, copied, frozen_blocks, frozen, family):
    made = treatments.by_policy(policy)
    assert (made.n, made.copied, made.frozen_blocks, made.frozen) == (n, copied, frozen_blocks, frozen)
    assert (made.family, made.is_base, made.fine_tuned, made.preserve) == (family, False, False, 0)


def test_policies_have_roles_sources_and_bases_as_other_treatments_do():
    transfer, selffer, untrained = (parse(f"{letter}:k4d3n1:B") for letter in "ABR")
    assert [base.label for base in treatments.required_bases(transfer)] == ["baseA", "baseB"]
    assert [base.label for base in treatments.required_bases(selffer)] == ["baseB"]
    assert [base.label for base in treatments.required_bases(untrained)] == ["baseB"]
    assert treatments.longer_base(transfer).label == "baseB-plusA"
    other = treatments.for_target(transfer, "A")
    assert other.label == "B:k4d3n1:A"
    assert treatments.role(other) == treatments.role(transfer) == "A:kdn:B"
    assert treatments.for_target(untrained, "all").label == "R:k4d3n1:all"
    pretrained = dataclasses.replace(transfer, pretrained="1a2b3c4d" * 8)
    assert (pretrained.label, pretrained.slug) == ("A:k4d3n1:B-w1a2b3c4d", "A-k4d3n1-B-w1a2b3c4d")
    assert pretrained.family == "A:kdn:B-w1a2b3c4d"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": "A:n8:B"}, "copies nothing is a base"),
        ({"text": "A:n2d5n1:B"}, "copies nothing is a base"),
        ({"text": "R:t4n4:B"}, "use n for t"),
        ({"text": "S:k2t2n4:B"}, "use n for t"),
        ({"text": "C:k4n4:B"}, "Unknown treatment"),
        ({"text": "A:k4n4:C"}, "Unknown treatment"),
        ({"text": "A:k4n4:"}, "Unknown treatment"),
        ({"text": ":k4n4:B"}, "Unknown treatment"),
        ({"text": "A:k4n4:B:"}, "Unknown treatment"),
        ({"text": "A:k4n4+:B"}, "run lengths"),
        ({"text": "A::B"}, "run lengths"),
        ({"text": "A:k4n4:all"}, "no other half"),
        ({"text": "A:k4n4:B", "n": 4}, "Leave --n out"),
        ({"text": "A:k4n4:B", "target": "A"}, "contradicts"),
        ({"text": "A:k4t3n1:B", "preserve": 2}, "leave --preserve"),
        ({"text": "A:k4t3n1:B", "release_step": 5}, "leave --preserve"),
        ({"text": "A:k4n4:B", "blocks": 5}, "the network has 5 blocks"),
        ({"text": "AnB:k4"}, "Unknown treatment"),
        ({"text": "A:k8:B"}, "always new"),
    ],
)
def test_bad_policies_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        parse(**arguments)


def test_a_policy_waits_for_the_number_of_blocks_where_it_needs_it():
    open_one, closed = (parse(text, blocks=None) for text in ("A:k2t*n1:B", "A:k4n4:B"))
    assert (open_one.n, open_one.frozen_blocks, open_one.frozen) == (None, None, True)
    assert (open_one.label, open_one.slug) == ("A:k2t*n1:B", "A-k2txn1-B")
    assert closed == parse("A4B")
    assert parse(open_one.label, blocks=6).label == "A:k2t3n1:B"
    assert parse("A:k*n1:B", blocks=6) == parse("A5B", blocks=6)
