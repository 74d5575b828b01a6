from tftransfer.reporting import (
    history_figure,
)


def test_no_panel_of_learning_curves_mixes_numbers_of_images(report):
    panels = history_figure.panels_of(report.main)
    assert all(group["images_per_class"].nunique() == 1 for _, group in panels)
    titles = [title for title, _ in panels]
    assert titles[:3] == ["base, 10 images per class", "base, 100 images per class", "base, all images"]
    assert len(set(titles)) == len(titles) == 15
