import fake_study
from tftransfer.reporting import (
    collected,
    diagnostic_figures,
    drawing,
)


def test_filters_and_similarity_come_from_diagnostics(tmp_path):
    for target in "AB":
        fake_study.write(tmp_path, "base", 0.5, target=target)
    for label in ("A3B", "A3B+", "B3B"):
        fake_study.write(tmp_path, label, 0.4)
    fake_study.add_diagnostics(tmp_path)
    report = collected.collect(str(tmp_path), [])
    shown = diagnostic_figures.family(report.main, report.diagnostics)
    assert [title for _, title in shown] == ["baseA, the source", "A3B+, with copied blocks", "baseB, the target's own"]
    found = drawing.draw(report)
    assert {"filters", "similarity"} <= set(found)
    assert "<title>AnB, n = 3, fc6: 0." in found["similarity"].svg
