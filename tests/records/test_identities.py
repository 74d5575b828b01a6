"""Which records belong together: same recipe, protocol, images and architecture, made with the bases beside them."""

import pytest

import fake_study
from tftransfer import analysis
from tftransfer.analysis import checks, study
from tftransfer.records import identities, record_files
from tftransfer.records.identities import AnotherNetworkError, Versions

NET = {"sha256": "a" * 64, "blocks": ["stem", "head"], "raw_images": False}


def write(folder, label, top1=0.5, fingerprint="f" * 64, architecture=None, target=None, **options):
    """Writes a record whose identity is of a version of images and architecture."""
    of = fake_study.cell(label, target=target, **options)
    source = None
    if of.source:
        source = {"key": record_files.key(of.source.identity(fingerprint, None, architecture)), "weights": "2" * 64}
    content = fake_study.content(of, top1, identity=of.identity(fingerprint, source, architecture))
    return of, record_files.write(folder / of.name, content)


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        (Versions("e" * 64), "on another version of the data set.*data.fingerprint"),
        (
            Versions("f" * 64, NET | {"sha256": "b" * 64}, model_is_known=True),
            "another architecture .* name nets:build",
        ),
        (Versions("f" * 64, None, model_is_known=True), "another architecture"),
    ],
)
def test_a_record_of_other_images_or_architecture_is_refused(tmp_path, versions, message):
    of, record = write(tmp_path, "base", architecture=NET, target="B", model="nets:build")
    for fits in (identities.UNKNOWN, Versions("f" * 64), Versions("f" * 64, NET, model_is_known=True)):
        identities.check(record, of, fits)
    with pytest.raises(AnotherNetworkError, match=message):
        identities.check(record, of, versions)


def test_a_record_of_another_recipe_is_refused_and_what_differs_is_named(tmp_path):
    _, record = write(tmp_path, "A4B")
    other = fake_study.cell("A4B", learning_rate=0.5)
    assert identities.what_differs(record, other) == ["recipe.learning_rate: 0.015 there, 0.5 here"]
    with pytest.raises(AnotherNetworkError, match=r"another configuration.*recipe\.learning_rate"):
        identities.check(record, other, Versions("e" * 64))


def test_scores_on_other_validation_images_are_not_averaged(tmp_path):
    _, record = write(tmp_path, "A4B")
    without, other = write(tmp_path / "without", "A4B", exclude_duplicates=True)
    assert identities.digest(record.identity) != identities.digest(other.identity)
    with pytest.raises(AnotherNetworkError, match="exclude_duplicates"):
        identities.check(record, without)


def test_a_network_is_found_under_its_name_or_refused(tmp_path):
    of, record = write(tmp_path, "base", target="B")
    assert identities.find(tmp_path, of, Versions("f" * 64)) == record
    assert identities.find(tmp_path, fake_study.cell("A4B")) is None
    with pytest.raises(AnotherNetworkError, match="another version of the data set"):
        identities.find(tmp_path, of, Versions("e" * 64))


def test_a_network_copies_from_one_training_of_its_source(tmp_path):
    _, base = write(tmp_path, "base", target="A")
    _, record = write(tmp_path, "A4B")
    assert identities.copies_from(record, base)
    assert identities.copies_from(record, None)
    again = record_files.write(base.folder, base.content | {"weights": {"kept": False, "sha256": "9" * 64}})
    assert not identities.copies_from(record, again)


def test_networks_of_two_architectures_under_one_name_are_never_averaged(tmp_path):
    for number, sha256 in enumerate(("a" * 64, "b" * 64)):
        architecture = NET | {"sha256": sha256}
        write(tmp_path, "base", 0.5, architecture=architecture, target="B", model="nets:build", seed=number)
        write(tmp_path, "A4B", 0.4 + number / 10, architecture=architecture, model="nets:build", seed=number)
    read = study.read(tmp_path)
    frame = analysis.networks(read)
    assert frame["recipe"].nunique() == 2
    (warning,) = [found for found in checks.warnings(frame, read) if found.code == "other recipe"]
    assert "architecture.sha256" in warning.text


def test_what_versions_of_data_protocol_or_recipe_say_decides_the_digest():
    of = fake_study.cell("A4B")
    whole = of.identity("f" * 64, None)
    others = [
        of.identity("e" * 64, None), whole | {"protocol": 99}, whole | {"architecture": NET},
        fake_study.cell("A4B", learning_rate=0.5).identity("f" * 64, None),
    ]  # fmt: skip
    assert len({identities.digest(identity) for identity in (whole, *others)}) == 5
    assert identities.digest(whole | {"architecture": None}) == identities.digest(whole)
    assert [len(identities.differences(whole, identity)) for identity in others] == [1, 1, 1, 1]


def test_a_network_made_from_another_training_of_its_source_is_named(tmp_path):
    for half in "AB":
        write(tmp_path, "base", target=half)
    _, network = write(tmp_path, "A4B")
    assert not list(identities.strays(study.read(tmp_path).records))
    _, base = write(tmp_path, "base", target="A")
    record_files.write(base.folder, base.content | {"weights": {"kept": False, "sha256": "9" * 64}})
    read = study.read(tmp_path)
    assert [(record.name, role) for record, role in identities.strays(read.records)] == [(network.name, "source")]
    (warning,) = [w for w in checks.warnings(analysis.networks(read), read) if "source" in w.code]
    assert network.name in warning.text
    write(tmp_path, "base", target="A", fingerprint="e" * 64)
    assert len(list(identities.strays(study.read(tmp_path).records))) == 1, "a base on other images is another one"


def test_a_network_compared_with_a_base_of_other_images_is_named(tmp_path):
    _, base = write(tmp_path, "base", target="B")
    _, network = write(tmp_path, "A4B")
    record_files.write(network.folder, network.content | {"reference": identities.origin(base)})
    assert not list(identities.strays(study.read(tmp_path).records))
    write(tmp_path, "base", target="B", fingerprint="e" * 64)
    assert [role for _, role in identities.strays(study.read(tmp_path).records)] == ["reference"]


def test_of_fewer_images_per_class_the_other_half_still_has_its_own_base(tmp_path):
    write(tmp_path, "base", target="A")
    write(tmp_path, "base", target="B", images_per_class=5)
    write(tmp_path, "A4B", images_per_class=5)
    write(tmp_path, "B4B", images_per_class=5)
    assert not list(identities.strays(study.read(tmp_path).records))
