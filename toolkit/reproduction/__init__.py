"""Reproduce: recipes, and what became of the paper's results."""
