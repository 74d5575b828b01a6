import numpy as np
import pytest

from tftransfer.data import motifs


@pytest.mark.slow
def test_builder_prepares_all_images_offline(tmp_path):
    import tensorflow_datasets as tfds

    from tftransfer.data.motifs_tfds import Motifs

    builder = Motifs(data_dir=tmp_path)
    builder.download_and_prepare()
    assert builder.info.splits["train"].num_examples == 40 * motifs.TRAIN_PER_CLASS
    assert builder.info.splits["validation"].num_examples == 40 * motifs.VAL_PER_CLASS
    assert tuple(builder.info.features["label"].names) == motifs.CLASS_NAMES
    assert builder.info.supervised_keys == ("image", "label")

    read = tfds.ReadConfig(add_tfds_id=True)
    counts = np.zeros(40, int)
    data = builder.as_dataset(split="validation", read_config=read)
    for position, example in enumerate(data.as_numpy_iterator()):
        counts[example["label"]] += 1
        if position == 0:
            drawn = [motifs.draw(motifs.CLASS_NAMES[example["label"]], "validation", k) for k in range(50)]
            assert any(np.array_equal(example["image"], image) for image in drawn)
    assert (counts == motifs.VAL_PER_CLASS).all()


def test_builder_describes_the_data_set(tmp_path):
    from tftransfer.data.motifs_tfds import Motifs

    builder = Motifs(data_dir=tmp_path)
    assert builder.name == "motifs"
    assert str(builder.version) == motifs.VERSION
    assert builder.info.features["image"].shape == (32, 32, 3)
    assert builder.info.features["label"].num_classes == 40
