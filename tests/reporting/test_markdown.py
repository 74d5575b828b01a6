import fake_study
from tftransfer import report
from tftransfer.records import record_files


def run(*options):
    return report.main(["report", *options])


def test_names_cannot_break_markdown(tmp_path):
    content = fake_study.content(fake_study.cell("base", target="B"), 0.5)
    content["identity"]["recipe"]["dataset"] = "<script>alert(1)</script>|[x](y)"
    content["command"] = "``` <b>`"
    record_files.write(tmp_path / "<img>" / "x", content)
    assert run(f"--study={tmp_path / '<img>'}", "--format=md", f"--out={tmp_path / 'out'}") == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert "<script" not in text
    assert "<img" not in text.replace("`python -m tftransfer.report '--study=<img>'", "")
    assert r"\|\[x\]" in text
