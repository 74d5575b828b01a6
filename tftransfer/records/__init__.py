"""The folder that proves that a network was trained: what it holds, its warnings, which records belong together.

`record_files` reads and writes it, `identities` says which may meet, `event_files` shows it to TensorBoard.
"""

__all__ = [
    "chance_level",
    "commands",
    "event_files",
    "filter_grid",
    "identities",
    "inputs",
    "record_files",
    "record_warnings",
]
