"""Trains the networks of a study, group by group, in processes of their own."""
