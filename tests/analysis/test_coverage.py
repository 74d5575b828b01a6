import fake_study
from study_warnings import codes, found, text


def test_a_pair_that_is_no_halves_lacks_no_direction_and_a_study_without_bases_is_no_fault(tmp_path):
    fake_study.write_pair(tmp_path / "nobase", base=False)
    assert [(w.code, w.level) for w in found(tmp_path / "nobase")] == [("no base", "note")]
    fake_study.write_pair(tmp_path / "two", source="motifs")
    fake_study.write(tmp_path / "two", "base", 0.7, source="motifs", target="A")
    notes = {w.code: w.text for w in found(tmp_path / "two")}
    assert set(notes) == {"one split", "budget"}
    assert "they hold for these classes and images only" in notes["one split"]
    fake_study.write(tmp_path / "two", "A:k1t6n1:B", 0.7, source="motifs", seed=7)
    assert "no base" in {w.code for w in found(tmp_path / "two") if w.level == "warning"}


def test_what_is_missing_is_named(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="A")
    fake_study.write(tmp_path, "base", 0.5, target="B")
    for label in ("A4B", "A5B", "B4B", "A4B+", "A4A+"):
        fake_study.write(tmp_path, label, 0.4)
    fake_study.write(tmp_path, "A4B", 0.4, seed=1)
    assert "random0-A4B-seed1" in text(tmp_path, "no base")
    assert "AnB has 3 of 4" in text(tmp_path, "missing")
    said = [w.text for w in found(tmp_path) if w.code == "balance"]
    assert any("AnB 0 with target A, 3 with B" in line for line in said)
    assert any("AnB+ and its control BnB+ (random) have no target in common" in line for line in said)


def test_intervals_over_seeds_say_that_they_speak_of_one_split(tmp_path):
    for seed, top1 in enumerate((0.4, 0.42)):
        fake_study.write(tmp_path, "base", 0.5, target="B", seed=seed)
        fake_study.write(tmp_path, "A4B", top1, seed=seed)
    assert "these halves only" in text(tmp_path, "one split")
    assert "no interval" not in codes(tmp_path)


def test_images_per_class_are_missing_and_balanced_on_their_own(tmp_path):
    fake_study.write_paper_like(tmp_path, split_seeds=1)
    fake_study.write(tmp_path, "base", 0.3, target="B", images_per_class=10)
    for label in ("A4B", "A5B", "B4B"):
        fake_study.write(tmp_path, label, 0.3, images_per_class=10)
    said = [w.text for w in found(tmp_path)]
    assert any("(random, 10 images per class): AnB 0 with target A, 2 with B" in line for line in said)
    assert any("n = 4, 5 (random, 10 images per class), BnB has 1 of 2" in line for line in said)
    assert not any("of 14" in line or "(random):" in line for line in said), "all images have all of theirs"
