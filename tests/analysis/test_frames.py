import pytest

import fake_study
from tftransfer import analysis
from tftransfer.analysis import frames
from tftransfer.experiment import treatments
from tftransfer.records import record_files


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("A4B", "AnB"),
        ("B4A", "AnB"),
        ("A4A+", "BnB+"),
        ("B1B", "BnB"),
        ("R2A", "RnB"),
        ("S2B", "SnB"),
        ("R3all", "RnB"),
    ],
)
def test_mirrored_networks_share_a_role(label, role):
    assert treatments.role(treatments.parse(label)) == role


def test_bases_and_their_controls_have_roles():
    assert treatments.role(treatments.base("A")) == treatments.role(treatments.base("all")) == "base"
    control = {label: treatments.longer_base(treatments.parse(label)) for label in ("A4B", "B4A", "A4A", "B4B")}
    assert {label: treatments.role(base) for label, base in control.items()} == {
        "A4B": "base-plusA", "B4A": "base-plusA", "A4A": "base-plusB", "B4B": "base-plusB",
    }  # fmt: skip


def test_a_network_is_compared_with_the_base_of_its_own_target_split_seed_and_images(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="A")
    fake_study.write(tmp_path, "base", 0.6, target="B")
    fake_study.write(tmp_path, "base", 0.7, target="B", seed=1)
    fake_study.write(tmp_path, "base", 0.3, target="B", images_per_class=10)
    fake_study.write(tmp_path, "A4B", 0.55)
    fake_study.write(tmp_path, "B4A", 0.55)
    fake_study.write(tmp_path, "A4B", 0.55, seed=1)
    fake_study.write(tmp_path, "A4B", 0.35, images_per_class=10)
    fake_study.write(tmp_path, "A4B", 0.55, split_seed=1)
    table = analysis.networks(tmp_path)
    assert list(table.columns) == list(frames.COLUMNS)
    found = table[table["treatment"].eq("AnB")].set_index("name")["minus_base"].round(6)
    assert found.drop("random1-A4B-seed0").to_dict() == {
        "random0-A4B-seed0": -0.05, "random0-B4A-seed0": 0.05, "random0-A4B-seed1": -0.15, "random0-A4B-k10-seed0": 0.05
    }  # fmt: skip
    assert found.isna()["random1-A4B-seed0"], "its split has no base here"
    assert (table.loc[table["treatment"].eq("base"), "minus_base"] == 0).all()


def test_a_base_that_was_trained_later_is_compared_with(tmp_path):
    record = fake_study.write(tmp_path, "A:k4t3n1:B", 0.55, source=fake_study.WEIGHTS, base=False)
    assert record.result["minus_base"] is None
    assert analysis.networks(tmp_path)["minus_base"].isna().all()
    fake_study.write(tmp_path, "base", 0.5, source=fake_study.WEIGHTS, target="B")
    found = analysis.networks(tmp_path).set_index("policy")["minus_base"].round(6)
    assert found.to_dict() == {"": 0.0, "k4t3n1": 0.05}


@pytest.mark.parametrize(("source", "halves"), [(fake_study.WEIGHTS, "whole"), ("motifs", "from-motifs")])
def test_pairs_that_are_no_halves_have_a_kind_of_their_own(tmp_path, source, halves):
    fake_study.write(tmp_path, "A:k4t3n1:B", 0.55, source=source)
    fake_study.write(tmp_path, "A4B", 0.55, source=source)
    table = analysis.networks(tmp_path)
    digits = "-w1a2b3c4d" if source == fake_study.WEIGHTS else ""
    assert set(table["halves"]) == {halves}
    assert dict(zip(table["treatment"], table["n"], strict=True)) == {f"A:ktn:B{digits}": 4, f"AnB{digits}": 4}


def test_two_policies_of_one_family_and_n_are_never_averaged(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "A:k4t3n1:B", 0.6)
    fake_study.write(tmp_path, "A:k5t2n1:B", 0.6)
    other = fake_study.content(fake_study.cell("A:k4t3n1:B", seed=1), 0.2)
    other["identity"]["treatment"]["policy"] = "k4t2n1"  # of a network with a block less
    record_files.write(tmp_path / "shorter", other)
    table = analysis.networks(tmp_path)
    assert sorted(table["treatment"]) == ["A:k4t2n1:B", "A:k4t3n1:B", "A:ktn:B", "base"]
    alike = table.assign(treatment=table["treatment"].where(table["policy"].eq(""), "A:ktn:B"))
    for frame in (table, alike):  # the second as of studies that were joined by hand
        found = analysis.effects(frame[frame["policy"].ne("")]).set_index("policy")
        assert found["networks"].to_dict() == {"k4t2n1": 1, "k4t3n1": 1, "k5t2n1": 1}
        assert found["top1"].to_dict() == {"k4t2n1": 0.2, "k4t3n1": 0.6, "k5t2n1": 0.6}
    assert not len(analysis.pairs(alike[alike["policy"].eq("k4t3n1")], "A:ktn:B", "B:ktn:B"))


def test_another_recipe_is_another_base(tmp_path):
    fake_study.write(tmp_path / "s", "base", 0.5, target="B")
    fake_study.write(tmp_path / "s", "A4B", 0.4, epochs=3.0)
    table = analysis.networks(tmp_path / "s")
    assert table["recipe"].nunique() == 2
    assert table.loc[table["treatment"].eq("AnB"), "minus_base"].isna().all()


def test_diverged_and_repeated_networks_are_excluded(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.write(tmp_path, "A4B", None)
    record = fake_study.write(tmp_path, "B4B", 0.4)
    again = tmp_path / "copy" / record_files.RECORD
    again.parent.mkdir()
    again.write_text((record.folder / record_files.RECORD).read_text())
    changed = fake_study.content(fake_study.cell("A5B"), 0.4)
    changed["integrity"]["frozen_blocks_unchanged"] = False
    record_files.write(tmp_path / changed["name"], changed)
    table = analysis.networks(tmp_path)
    assert sorted(table["excluded"]) == ["", "", "diverged", "duplicate", "not frozen"]
    assert table.loc[table["status"].eq("diverged"), ["top1", "minus_base"]].isna().all(axis=None)
    assert analysis.effects(table)["networks"].sum() == 2


def test_published_differences_are_those_of_the_records():
    import pathlib

    for folder in (pathlib.Path(__file__).parents[2] / "runs" / "published").glob("tiny_imagenet-*"):
        table = analysis.networks(folder).set_index("name")
        recorded = {record.name: record.result["minus_base"] for record in record_files.read_study(folder)}
        assert table["minus_base"].to_dict() == pytest.approx(recorded)


@pytest.mark.parametrize(("classes", "shown"), [(4, False), (5, False), (6, True)])
def test_the_first_five_of_five_classes_say_nothing(tmp_path, classes, shown):
    content = fake_study.content(fake_study.cell("base", target="B"), 0.5)
    content["identity"]["data"]["class_count"] = classes
    content["result"]["top5"] = 1.0
    record_files.write(tmp_path / content["name"], content)
    assert analysis.networks(tmp_path)["top5"].notna().tolist() == [shown]


def test_another_version_of_the_data_is_another_recipe(tmp_path):
    identities = [
        fake_study.cell("base", target="B").identity(fingerprint, None) for fingerprint in ("f" * 64, "e" * 64)
    ]
    assert len({frames.recipe_digest(identity) for identity in identities}) == 2
    assert len({frames.recipe_digest(identity | {"protocol": number}) for identity in identities for number in (1, 9)})
