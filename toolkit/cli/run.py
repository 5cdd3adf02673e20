"""Run: one invocation of the command line, and how it speaks to whoever started it."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from toolkit.errors import LeftOutWarning

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.runtime.progress import Progress


@dataclass
class Run:
    """One invocation: what it prints, and where it shows how far it is."""

    json: bool
    quiet: bool
    left_out: bool = False

    @classmethod
    def start(cls, json: bool, quiet: bool) -> Run:
        """Take up the common options."""
        run = cls(json, quiet)
        logging.basicConfig(format="toolkit: %(message)s", level=logging.WARNING, stream=sys.stderr)
        warnings.showwarning = run._show_warning
        return run

    @property
    def progress(self) -> Progress:
        """Where work shows how far it is: a bar in a terminal, remarks on standard error."""
        from toolkit.cli.terminal import TerminalProgress

        return TerminalProgress(self.quiet, lambda: self.console(stderr=True))

    def say(self, remark: str) -> None:
        """Tell something in passing, on standard error."""
        if not self.quiet:
            print(remark, file=sys.stderr)

    def emit(self, document: Any) -> None:
        """Print the one JSON document."""
        print(json.dumps(document, indent=1, allow_nan=False))

    def put(self, text: str) -> None:
        """Print text as it is, such as a table for a paper, on standard output."""
        print(text, end="")

    def show(self, *renderables: Any) -> None:
        """Print tables and text for a person on standard output."""
        console = self.console()
        for renderable in renderables:
            console.print(renderable)

    def console(self, stderr: bool = False) -> Console:
        """Return a console; in a pipe it is 100 columns wide and without colour."""
        from rich.console import Console

        stream = sys.stderr if stderr else sys.stdout
        width = None if stream.isatty() or "COLUMNS" in os.environ else 100
        return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False)

    def leave_if_skipped(self, skipped: Sequence[dict[str, str]]) -> None:
        """List images that were skipped, and leave with exit code 3 if there are any."""
        for each in skipped[:10]:
            self.say(f"skipped {each['image']}: {each['reason']}")
        if len(skipped) > 10:
            self.say(f"and {len(skipped) - 10} more; --json lists them all")
        if skipped:
            raise typer.Exit(3)

    def leave_if_left_out(self) -> None:
        """Leave with exit code 3 where a warning said that something was left out."""
        if self.left_out:
            raise typer.Exit(3)

    def _show_warning(self, message: Warning | str, *args: Any, **kwargs: Any) -> None:
        self.left_out |= isinstance(message, LeftOutWarning)
        self.say(f"warning: {message}")
