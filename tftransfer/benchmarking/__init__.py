"""Speed of a recipe on this machine, time spent waiting for images, and the fraction of peak arithmetic."""

__all__ = ["cases", "measuring"]
