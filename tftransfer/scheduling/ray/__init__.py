"""A sweep on the machines of a Ray cluster. Only `cluster` speaks to Ray."""

__all__ = ["cluster", "ray_runner"]
