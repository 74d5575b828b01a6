"""The experiment as data: treatments, splits, options, and the networks of a study.

Nothing here imports TensorFlow, so that wrong options are refused at once.
"""

__all__ = ["config", "grids", "image_options", "pairs", "plan", "policies", "prepared_images", "splits", "treatments"]
