"""Images: where they come from, how they are prepared once, and how they reach training."""
