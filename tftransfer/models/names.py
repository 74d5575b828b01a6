"""Names that a command needs before any tensor exists; nothing here imports Keras."""

ALEXNET_BLOCKS: tuple[str, ...] = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
"""Blocks of AlexNet from the input upwards; the last is the head."""

MODELS: dict[str, tuple[str, ...]] = {"AlexNet": ALEXNET_BLOCKS}
"""Built-in architectures and their blocks."""

INITIALIZERS: tuple[str, ...] = ("paper", "he_normal", "glorot_uniform")
"""Initial weights that the built-in architectures offer."""
