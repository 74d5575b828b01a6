"""The published records can be read, and docs/results.md says what they say."""

import pathlib
import re

import pytest

from tftransfer import report
from tftransfer.records import record_files

ROOT = pathlib.Path(__file__).parents[2]
STUDIES = sorted(path for path in (ROOT / "runs" / "published").iterdir() if path.is_dir())
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_published_records_are_whole(study):
    found = {record.name: record for record in record_files.read_study(study)}
    assert found
    for record in found.values():
        assert record.folder.name == record.name
        assert record.content["integrity"]["frozen_blocks_unchanged"]
        assert record.weights_file is None
        source = record.identity["source"]
        if source:
            assert source["key"] in {other.key for other in found.values()}


def test_the_published_records_are_of_protocol_1_and_their_readme_says_so():
    protocols = {record.identity["protocol"] for study in STUDIES for record in record_files.read_study(study)}
    assert protocols == {1}
    assert "protocol 1" in (ROOT / "runs" / "published" / "README.md").read_text(encoding="utf-8")


def test_records_are_small():
    files = [path for study in STUDIES for path in study.rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) < 50_000
    assert not [path for path in files if path.suffix == ".h5"]


def test_nothing_says_where_it_was_made():
    files = [path for study in STUDIES for path in study.rglob("*") if path.is_file()]
    folders = re.compile(rb"(?<![\w.])(/(home|root|Users|tmp|work|mnt|var|data)/|[A-Z]:\\|file://)")
    assert not [path for path in files if folders.search(path.read_bytes())]


def test_the_page_of_results_shows_the_published_numbers():
    rows = re.findall(r"^\| (random0|natural_manmade) \|(.+)\|$", RESULTS, re.MULTILINE)
    assert len(rows) == 2
    for split, cells in rows:
        (study,) = [study for study in STUDIES if f"tiny_imagenet-AlexNet-{split.rstrip('0')}" in study.name]
        shown = [float(number) for number in re.findall(r"[+-]?\d+\.\d", cells)]
        expected = []
        for label in ("baseA", "baseB", "B4B", "A4B"):
            result = record_files.read(study / f"{split}-{label}-seed0").result
            expected.append(round(100 * result["top1"], 1))
            if not label.startswith("base"):
                expected.append(round(100 * result["minus_base"], 1))
        assert shown == expected


def run(*options):
    return report.main(["report", *options])


def test_published_pages_are_built(tmp_path):
    for folder in sorted((ROOT / "runs" / "published").glob("tiny*")):
        assert run(f"--study={folder}", f"--out={tmp_path / folder.name}") == 0
        text = (tmp_path / folder.name / "report.html").read_text()
        assert "<svg" in text
        assert "Learning curves" in text
