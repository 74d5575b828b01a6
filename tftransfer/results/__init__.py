"""Finished networks and studies as Python objects, which draw themselves in a notebook. Reading needs no TensorFlow."""

from tftransfer.results.advice import Advice
from tftransfer.results.record import Record
from tftransfer.results.study import Figure, Report, Status, Study

__all__ = ["Advice", "Figure", "Record", "Report", "Status", "Study"]
