"""A tab of TensorBoard, *Transfer*: the curves of the studies in its logdir, while they are trained.

TensorBoard finds it by the entry point `tensorboard_plugins` of the installed package. Nothing here loads TensorFlow;
pandas (extra `report`) is loaded when the tab is first looked at.
"""

from tftransfer.tensorboard_plugin.plugin import TransferPlugin

__all__ = ["TransferPlugin"]
