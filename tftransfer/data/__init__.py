"""From a data set to batches: opened (`datasets`), prepared once (`store`), read as tensors (`pipeline`)."""

__all__ = [
    "datasets",
    "decode",
    "duplicates",
    "manifest",
    "mean_image",
    "motifs",
    "pipeline",
    "progress",
    "shards",
    "store",
    "store_pair",
]
