"""Pages: one style and one way to write HTML that needs nothing else."""
