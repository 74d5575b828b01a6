from tftransfer.data.datasets import describe_classes


class TestDescription:
    def test_imagenet_needs_no_data(self):
        names, kinds = describe_classes("imagenet2012")
        assert len(names) == len(set(names)) == len(kinds) == 1000
        assert names == tuple(sorted(names))
        assert names[0] == "n01440764"
