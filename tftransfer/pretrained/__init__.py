"""Weights that someone else trained: what is said about them, and how they are read without trusting the file."""
