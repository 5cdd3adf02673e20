"""Engines: run a backbone on batches of pixels, on the processor or a GPU."""
