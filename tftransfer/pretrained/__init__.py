"""Weights from elsewhere, read without trust: their description, their arrays, and their fit to a network."""

__all__ = ["description", "files", "hdf5", "imagenet", "safetensors"]
