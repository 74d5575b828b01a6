from tftransfer.reporting import (
    loss_figure,
)


def test_losses_of_preserved_blocks_have_panels_of_their_own(report):
    losses = report.decomposition[report.decomposition["images_per_class"].eq(0)]
    canvas = loss_figure.bars(losses)
    assert [axes.get_title(loc="left") for axes in canvas.figure.axes] == [
        "none preserved", "2 preserved", "2 preserved, released at step 500",
    ]  # fmt: skip
    assert [len(axes.patches) for axes in canvas.figure.axes] == [4, 4, 4]
