"""The operating system: processes, signals, streams, locks, limits and files.

Nothing here knows of networks. `untrusted_files` reads files of anybody, `escaping` shows their texts.
"""

__all__ = [
    "atomic",
    "caller",
    "environment",
    "escaping",
    "limits",
    "locks",
    "processes",
    "signals",
    "standard_streams",
    "untrusted_files",
    "user_code",
]
