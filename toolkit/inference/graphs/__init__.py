"""Graphs: members and ensembles as ONNX operators, from pixels to calibrated probabilities."""
