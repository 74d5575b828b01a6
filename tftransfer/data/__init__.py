"""From a data set to batches: opened (`datasets`), prepared once (`store`), read as tensors (`pipeline`)."""

__all__ = [
    "datasets",
    "decode",
    "duplicates",
    "feature_files",
    "manifest",
    "mean_image",
    "motifs",
    "pipeline",
    "preparation",
    "progress",
    "shards",
    "store",
    "store_pair",
    "views",
]
