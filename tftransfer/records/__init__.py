"""The folder that proves a network was trained: what it holds, what is doubtful about it, which records belong together."""
