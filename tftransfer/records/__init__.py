"""Records of finished networks: their files and content, warnings about them, and which of them belong together.

`record_files` reads and writes them, `identities` compares them, `event_files` shows them in TensorBoard.
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
