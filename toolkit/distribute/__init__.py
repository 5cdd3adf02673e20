"""Distribute: where pieces of work run."""
