"""Weights from elsewhere, read without trust: their description, their arrays, and whether they fit a network."""

__all__ = ["description", "files", "hdf5", "safetensors"]
