"""The front door: the command line, the only place that prints and exits."""

from toolkit.cli.app import main

__all__ = ["main"]
