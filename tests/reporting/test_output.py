import pytest

import fake_study
from tftransfer import report


def run(*options):
    return report.main(["report", *options])


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    from tftransfer.reporting import markdown

    fake_study.write(tmp_path / "s", "base", 0.5, target="B")

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(markdown, "text", fail)
    with pytest.raises(KeyboardInterrupt):
        run(f"--study={tmp_path / 's'}", "--format=csv,md", f"--out={tmp_path / 'out'}")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"Cannot write into the folder .* Use --out"):
        run("--study=paper", "--format=md", f"--out={tmp_path / 'file' / 'below'}")
