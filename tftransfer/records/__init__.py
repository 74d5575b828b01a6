"""The folder that proves a network was trained: what it holds, its warnings, and which records belong together."""
