import fake_study
from tftransfer.reporting import (
    collected,
    drawing,
)
from tftransfer.training import diagnostics


def test_a_damaged_portrait_is_named_and_left_out(tmp_path):
    record = fake_study.write(tmp_path, "base", 0.5, target="B")
    fake_study.add_diagnostics(tmp_path)
    (record.folder / diagnostics.FILE).write_bytes(b"other")
    report = collected.collect(str(tmp_path), [])
    assert not report.diagnostics.get(record.name)
    assert any(warning.code == "diagnostics" and "SHA-256" in warning.text for warning in report.warnings)
    assert "filters" not in drawing.draw(report)
