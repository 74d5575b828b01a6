import fake_study
from tftransfer.reporting import study_figure


def test_the_main_figure_is_written_into_the_folder_of_the_study(tmp_path):
    fake_study.write(tmp_path, "base", 0.5, target="B")
    study_figure.main(tmp_path)
    assert not list(tmp_path.glob("events.out.tfevents.*")), "a base alone has no figure"
    fake_study.write(tmp_path, "A4B", 0.4)
    study_figure.main(tmp_path)
    (events,) = tmp_path.glob("events.out.tfevents.*.figure")
    assert events.stat().st_size > 10_000, "a PNG is inside"
