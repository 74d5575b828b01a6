import pickle

from tftransfer.data.datasets import open_dataset


class TestMotifs:
    def test_images_are_drawn(self):
        dataset = open_dataset("motifs")
        example = pickle.loads(pickle.dumps(dataset.examples("val")[3]))
        assert (example.load().shape, example.label, dataset.native_size) == ((32, 32, 3), 0, 32)
        assert set(dataset.class_kinds) == {"manmade", "natural"}
