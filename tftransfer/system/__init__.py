"""What the operating system gives: processes, signals, streams, locks, limits and files.

Nothing here knows of networks. `untrusted_files` reads what anybody may have written, `escaping` shows it.
"""

__all__ = [
    "atomic",
    "environment",
    "escaping",
    "limits",
    "locks",
    "processes",
    "signals",
    "standard_streams",
    "untrusted_files",
]
