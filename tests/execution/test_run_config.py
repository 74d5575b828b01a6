import pytest

from tftransfer.execution import run_config
from tftransfer.execution.run_config import RunConfig


def test_n_is_read_only_if_it_was_given():
    options = RunConfig(treatment="B4B")
    assert run_config.parse_treatment(options, given=set()).n == 4
    with pytest.raises(ValueError, match="n must be 1 to 7"):
        run_config.parse_treatment(RunConfig(treatment="BnB", n=0), given={"n"})
    with pytest.raises(ValueError, match="Which network"):
        run_config.parse_treatment(RunConfig(), given=set())
    assert run_config.parse_treatment(RunConfig(treatment="A3B", preserve=2, release_step=9), set()).release_step == 9
    with pytest.raises(ValueError, match="release_step needs --optimizer=sgd"):
        run_config.parse_treatment(RunConfig(treatment="A3B", preserve=2, release_step=9, optimizer="adamw"), set())


def test_options_that_would_change_nothing_are_refused():
    with pytest.raises(ValueError, match="--drop_factor would change nothing"):
        run_config.parse_treatment(RunConfig(treatment="B4B", drop_factor=0.5), {"drop_factor"})


def test_n_is_a_number_or_the_last_copied_block():
    def n(text, **options):
        blocks = options.pop("blocks_of_model", None)
        return run_config.parse_treatment(RunConfig(treatment="BnB", n=text, **options), {"n"}, blocks).n

    assert (n("3"), n("conv3"), n("fc7")) == (3, 3, 7)
    assert n("conv5", blocks="conv2,conv5") == 2
    with pytest.raises(ValueError, match="did you mean conv3"):
        n("conv33")
    with pytest.raises(ValueError, match="or one of conv1"):
        n("fc8")
    with pytest.raises(ValueError, match="n must be 1 to 2"):
        n("3", blocks="conv2,conv5")
    assert n("99", model="ResNet50") == 99, "how many blocks it has only Keras can tell"
    with pytest.raises(ValueError, match="at least 1"):
        n("0", model="ResNet50")
    assert n("b", model="ResNet50", blocks_of_model=("a", "b", "head")) == 2
    with pytest.raises(ValueError, match="n must be 1 to 2"):
        n("3", model="ResNet50", blocks_of_model=("a", "b", "head"))
    with pytest.raises(ValueError, match="no such model file"):
        n("3", model="nowhere/net.keras")


@pytest.mark.parametrize("treatment", ["base", "R4B", "S4B"])
def test_equal_total_needs_a_trained_source(treatment):
    target = "B" if treatment == "base" else ""
    with pytest.raises(ValueError, match="the source must be a base"):
        run_config.parse_treatment(RunConfig(treatment=treatment, target=target, budget="equal_total"), set())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"treatment": "base", "target": "B"}, "goes with AnB, AnB"),
        ({"treatment": "R4B"}, "goes with AnB, AnB"),
        ({"treatment": "S4B"}, "goes with AnB, AnB"),
        ({"treatment": "A4B", "budget": "equal_total"}, "how long .* is not known"),
    ],
)
def test_pretrained_weights_stand_in_the_place_of_a_base_that_is_copied(options, message):
    with pytest.raises(ValueError, match=message):
        run_config.parse_treatment(RunConfig(pretrained="x.safetensors", **options), set())
    for path in ("x.pt", "x.zip", "a\0.safetensors"):
        with pytest.raises(ValueError, match="Bad --pretrained"):
            RunConfig(treatment="A4B", pretrained=path)


@pytest.mark.parametrize("text", ["\u00b2", "+-3", "9" * 5000, "\u0664"])
def test_block_numbers_are_plain_digits(text):
    with pytest.raises(ValueError, match="No block to copy up to has that name"):
        run_config.block_number(text, ("conv1", "conv2", "fc8"))


def freeze(value, **options):
    blocks = options.pop("blocks_of_model", None)
    return run_config.parse_treatment(RunConfig(freeze=value, **options), {"freeze"}, blocks).label


def test_freeze_keeps_the_first_blocks_and_tunes_the_rest():
    assert [freeze(value) for value in ("0", "3", "7", "all")] == ["A7B+", "A:k3t4n1:B", "A7B", "A7B"]
    assert freeze("1", model="ResNet50") == "A:k1t*n1:B", "how many blocks it has only Keras can tell"
    assert freeze("all", model="ResNet50", blocks_of_model=("a", "b", "c", "head")) == "A3B"
    with pytest.raises(ValueError, match="--freeze must be 0 to 7, or all"):
        freeze("8")
    for value in ("-1", "some", "1.5", "\u0663"):
        with pytest.raises(ValueError, match="Bad --freeze"):
            freeze(value)


def test_a_policy_says_it_all():
    def parsed(text, given=(), **options):
        return run_config.parse_treatment(RunConfig(policy=text, **options), {"policy", *given})

    assert [parsed(text).label for text in ("k4n4", "k2t1k4n1", "k*n1")] == ["A4B", "A:k2t1k4n1:B", "A7B"]
    with pytest.raises(ValueError, match="Leave --n out"):
        parsed("k4n4", given=["n"], n="4")
    with pytest.raises(ValueError, match="Leave --target out"):
        parsed("k4n4", target="A")
    with pytest.raises(ValueError, match=r"Expected one of .* Received --treatment=A4B and --policy=k4n4"):
        parsed("k4n4", treatment="A4B")
    with pytest.raises(ValueError, match="the network has 8 blocks"):
        parsed("k4n1")


def test_all_classes_are_the_target_of_a_base_without_halves():
    options = RunConfig(treatment="base", split="none")
    assert run_config.parse_treatment(options, {"treatment"}).label == "baseB"
