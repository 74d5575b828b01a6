import pytest

from tftransfer.analysis import families


@pytest.mark.parametrize(
    ("treatment", "kind", "text"),
    [
        ("A:ktn:B", "random", "first n blocks kept, the rest tuned, from the other half"),
        ("A:ktn:B-w1a2b3c4d", "whole", "first n blocks kept, the rest tuned, from weights 1a2b3c4d"),
        ("A:kdn:B", "from-motifs", "first n blocks kept, the rest dropped (linear probe), from motifs"),
        ("B:tkn:B", "whole", "first n blocks tuned, the rest kept, from the own base"),
        ("A:n2k5n1:B", "random", "blocks 1 to 2 new, 3 to 7 kept, new head, from the other half"),
        ("AnB", "random", ""),
        ("AnB+", "whole", "first n blocks tuned, the rest new"),
        ("base", "whole", ""),
        ("A:<b>:B", "whole", "<b>"),
        ("A:n2k5n1", "whole", ""),
    ],
)
def test_treatments_are_explained_as_far_as_the_paper_does_not(treatment, kind, text):
    assert families.explained(treatment, kind) == text


@pytest.mark.parametrize(
    ("kind", "halves"),
    [("random", True), ("natural_manmade", True), ("file-1a2b3c4d", True), ("all", True), ("whole", False),
     ("from-random", False)],
)  # fmt: skip
def test_only_parts_of_one_data_set_are_halves(kind, halves):
    assert families.are_halves(kind) == halves
