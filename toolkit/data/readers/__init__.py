"""Readers: one file a label format."""
