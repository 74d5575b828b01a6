"""What a machine does with a recipe: speed, waiting for images, and the share of the arithmetic it reaches."""

__all__ = ["cases", "measuring"]
