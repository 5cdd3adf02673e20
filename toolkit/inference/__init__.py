"""Inference: new images scored, and models that leave the artifacts."""
