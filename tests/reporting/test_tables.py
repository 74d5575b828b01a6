import pytest

import fake_study
from tftransfer.records import record_files
from tftransfer.reporting import collected, tables


def cells(study, title):
    """Returns the rows of the table whose title begins so, with signs as typed."""
    (found,) = [t for t in tables.tables(collected.collect(str(study), [])) if t.title.startswith(title)]
    return [tuple(cell.replace("\N{MINUS SIGN}", "-") for cell in row) for row in found.rows]


@pytest.fixture
def sizes(tmp_path):
    """All images and ten of each class, other effects."""
    for size, base, lead in ((0, 0.6, -0.1), (10, 0.2, 0.1)):
        fake_study.write(tmp_path, "base", base, target="B", images_per_class=size)
        for label in ("A4B", "A4B+"):
            fake_study.write(tmp_path, label, base + lead, images_per_class=size)
        for label in ("B4B", "B4B+"):
            fake_study.write(tmp_path, label, base + lead / 2, images_per_class=size)
    return tmp_path


def test_no_two_rows_of_different_images_per_class_look_the_same(sizes):
    assert cells(sizes, "What frozen copies lose") == [
        ("4", "-5.00", "-5.00", "undecided"),
        ("4, 10 images per class", "+5.00", "+5.00", "undecided"),
    ]
    assert [row[0] for row in cells(sizes, "Boost")] == ["4", "4, 10 images per class"]
    assert [row[3:] for row in cells(sizes, "Boost")] == [
        ("-10.00", "-5.00", "-5.00", "-5.00 (1 pair)"),
        ("+10.00", "+5.00", "+5.00", "+5.00 (1 pair)"),
    ]
    networks = tables.networks(collected.collect(str(sizes), []))
    assert {row[networks.columns.index("variant")] for row in networks.rows} == {"", "10 images per class"}


def test_tables_by_target_show_the_own_bases(tmp_path):
    split = {"split": "file-mine"}
    for label, top1, target in (("base", 0.5, "A"), ("base", 0.6, "B"), ("A4B", 0.55, None)):
        content = fake_study.content(fake_study.cell(label, target=target), top1)
        content["identity"] = {**content["identity"], **split}
        record_files.write(tmp_path / content["name"], content)
    assert cells(tmp_path, "Top-1 by target") == [("B", "AnB", "60.0 %", "55.0 %")]


def test_every_network_stands_beside_its_chance(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    table = tables.networks(collected.collect(str(tmp_path), []))
    (row,) = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert (row["top-1"], row["chance"]) == ("50.0 %", "5.0 %")


def test_without_a_base_every_table_says_so(tmp_path):
    fake_study.write_pair(tmp_path, base=False)
    report = collected.collect(str(tmp_path), [])
    scores, policies = tables.tables(report)
    assert scores.title == "Top-1, no base: all classes of B"
    assert scores.rows[0][1].count("%") == 3, "a mean and both ends of its interval"
    assert {row[-1] for row in policies.rows} == {"no base"}
    assert {row[-2] for row in tables.networks(report).rows} == {"no base"}
