"""From the description of a network to its record: looks up what is done, and trains what is missing."""

__all__ = ["best_weights", "pretrained_base", "pretrained_file", "preview", "run_config", "score_table", "studies"]
