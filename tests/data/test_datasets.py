import subprocess
import sys
import textwrap

from tftransfer.data.datasets import describe_classes, open_dataset


class TestDescription:
    def test_it_agrees_with_the_source(self, both_subsets, tiny):
        for name, data_dir in (("motifs", None), ("folder", str(both_subsets)), ("tiny_imagenet", str(tiny))):
            dataset = open_dataset(name, data_dir)
            assert describe_classes(name, data_dir) == (dataset.class_names, dataset.class_kinds)

    def test_own_data_sets_need_no_tensorflow(self, both_subsets, tiny, tmp_path):
        program = textwrap.dedent(f"""
            import sys
            import numpy as np
            from tftransfer.data.datasets import arrays, describe_classes, open_dataset
            folder = arrays.write_to_cache(np.zeros((8, 4, 4), np.uint8), np.arange(8) % 4, {str(tmp_path)!r})
            assert next(iter(open_dataset("arrays", folder).examples("val"))).load().shape == (4, 4, 3)
            describe_classes("arrays", folder)
            describe_classes("motifs"), describe_classes("imagenet2012")
            describe_classes("folder", {str(both_subsets)!r}), describe_classes("tiny_imagenet", {str(tiny)!r})
            assert not {{"tensorflow", "tensorflow_datasets"}} & set(sys.modules), sorted(sys.modules)
        """)
        subprocess.run([sys.executable, "-c", program], check=True)
