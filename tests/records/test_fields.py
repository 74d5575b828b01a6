import pytest

import fake_study
from tftransfer.records import fields


def content(top1=0.5, **changes):
    return fake_study.content(fake_study.cell("A1B"), top1, key="1" * 64, **changes)


def changed(path, value):
    """Returns the content of a record with one part changed, or left out if the value is `...`."""
    whole = content()
    *outer, last = path.split(".")
    part = whole
    for name in outer:
        part = part[name]
    part |= {last: value}
    if value is ...:
        del part[last]
    return whole


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("identity.seed", "0"), ("identity.seed", -1), ("identity.seed", True), ("identity.seed", 0.5),
        ("identity.split", 3), ("identity.split", None), ("identity.protocol", "1"), ("identity.data", []),
        ("identity.data.fingerprint", [1]), ("identity.data.class_count", 10**12), ("identity.recipe.model", {}),
        ("identity.recipe", "x"), ("identity.images_per_class", [[]]), ("identity.treatment.n", "3"),
        ("identity.treatment.n", 10**9), ("identity.treatment.source", ["A"]), ("identity.treatment.target", "C"),
        ("identity.treatment.unheard_of", 1), ("identity.treatment.fine_tuned", "yes"), ("identity.treatment", ...),
        ("identity.treatment.policy", 3), ("identity.treatment.policy", "x"), ("identity.treatment.policy", "k2n3k1"),
        ("identity.treatment.policy", "k2t*n1"), ("identity.treatment.policy", "k2k2n1"),
        ("identity.treatment.policy", "k9999n9999"), ("identity.treatment.policy", None),
        ("identity.treatment.pretrained", 3), ("identity.source", 3), ("identity.source", {"key": []}),
        ("result.top1", "0.5"), ("result.top1", None), ("result.top1", 1.5), ("result.top1", True),
        ("result.top1", [0.5]), ("result.minus_base", {}), ("result.chance", "low"), ("result", []),
        ("cost.seconds", "60"), ("cost.seconds", ...), ("cost.train_steps", 0.5), ("cost.images_per_second", []),
        ("history.step", 3), ("history.epoch", [1.0]), ("history.top1", ["a", "b", "c", "d"]), ("history", [[]]),
        ("integrity.left_chance", "no"), ("integrity.class_images", {"training": [1]}), ("integrity.steps", "400"),
        ("integrity.class_images", {"training": ["1", 2]}), ("integrity.pretrained_source", "x"),
        ("integrity.validation_images_trained_on", {"by_itself": "all"}), ("integrity.images_left_out", 3),
        ("integrity.duplicates", {"training": 3}), ("integrity.duplicates", [1]),
        ("identity.exclude_duplicates", "yes"),
        ("integrity.duplicates", {"training": {"identical": 1, "near": "2", "first": []}}),
        ("integrity.duplicates", {"training": {"identical": 1, "first": []}}),
        ("integrity.duplicates", {"classes": {"identical": 1, "near": None, "first": [["a"]]}}),
        ("integrity.duplicates", {"classes": {"identical": 1, "near": None, "first": [["a", 3, "near"]]}}),
        ("integrity.validation_images_excluded", -1),
        ("integrity.target_classes_seen_by_source", "all"), ("name", "../x"), ("name", ""), ("name", "a\nb"),
        ("weights.file_sha256", 3), ("reference", {}), ("reference", "x"), ("finished", 3), ("warnings", [[]]),
        ("command", {"a": 1}), ("machine", "fast"), ("status", "fine"),
    ],
)  # fmt: skip
def test_a_part_of_another_kind_is_a_fault(path, value):
    fault = fields.fault(changed(path, value))
    names = (path, f"{path.partition('.')[0]} is wrong", "treatment", "its top1 is not from 0 to 1")
    assert any(name in fault for name in names), fault


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("integrity.left_chance", ...), ("integrity.steps", None), ("result.minus_base", -0.25), ("anything", [{}]),
        ("identity.source", None), ("reference", {"weights": "2" * 64, "key": "1" * 64}), ("warnings", ["leak"]),
        ("history", {}), ("identity.treatment.pretrained", "1a2b"), ("cost.train_steps", 10**14),
        ("integrity.duplicates", {"source": {"identical": 1, "near": None, "first": [["a", "b", "near"]]}}),
        ("identity.treatment.policy", "k3d4n1"),
    ],
)  # fmt: skip
def test_optional_parts_may_be_missing_and_others_are_free(path, value):
    assert fields.fault(changed(path, value)) is None


def test_only_a_network_that_diverged_has_no_score_and_no_weights():
    diverged = content(None, weights={"kept": False, "sha256": None})
    assert fields.fault(diverged) is None
    assert "top1" in fields.fault(diverged | {"status": "done"})
    assert fields.fault(changed("weights.sha256", None)).startswith("weights.sha256 is wrong: expected a text")


def test_faults_show_values_briefly_and_without_control_characters():
    assert fields.fault([]) == "it is not a JSON object"
    fault = fields.fault(changed("identity.split", ["\x1b[2J" * 99]))
    assert fault == "identity.split is wrong: expected a text; received ['" + 7 * r"\x1b[2J" + r"\x1b[2..."


@pytest.mark.parametrize("name", ["random0-A4B-seed0", "x", "\u00e4"])
def test_names_of_networks(name):
    assert fields.is_name(name)


@pytest.mark.parametrize("name", ["", ".", ".hidden", "a/b", "a\\b", "a\nb", "x" * 256, None, 3])
def test_names_that_no_network_has(name):
    assert not fields.is_name(name)
