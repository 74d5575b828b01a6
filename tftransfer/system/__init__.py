"""What the operating system gives: processes, signals, streams, locks, limits, files that are whole; strings of others on
their way out. Knows nothing of networks.
"""
