"""The operating system: processes, signals, streams, locks, limits, files, and strings of others on their way out.

Nothing here knows of networks.
"""
