"""A research toolkit for multi-label image classification."""
