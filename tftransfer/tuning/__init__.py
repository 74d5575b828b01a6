"""The search for a recipe on images that are held out of the training half."""

__all__ = ["budget", "flagfile", "held_out", "oracles", "process", "search", "space", "study", "view"]
