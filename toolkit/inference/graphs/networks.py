"""Networks as operators: torch's exporter, held to one form."""

from __future__ import annotations

import io
import logging
import os
import threading
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import nn

from toolkit.errors import ExportError
from toolkit.inference.graphs.graph import OPSET, require_onnx

_EXPORTING = threading.Lock()
_EXAMPLES = 2


class Averaged(nn.Module):
    """The mean of networks' probabilities, each network's logits averaged over views.

    Args:
        networks: from normalised ``float (b, 3, S, S)`` to logits ``(b, L)``.
        views: whether a picture's mirror image counts too.
    """

    def __init__(self, networks: Sequence[nn.Module], views: bool) -> None:
        super().__init__()
        self.networks, self.views = nn.ModuleList(networks), views

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return probabilities ``(b, L)``."""
        total: Any = 0.0
        for network in self.networks:
            logits = network(x)
            if self.views:
                logits = (logits + network(x.flip(3))) / 2
            total = total + torch.sigmoid(logits)
        found: torch.Tensor = total / len(self.networks)
        return found


class Mirrored(nn.Module):
    """The mean of a network's features over a picture and its mirror image."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features ``(b, d)``."""
        found: torch.Tensor = (self.network(x) + self.network(x.flip(3))) / 2
        return found


def exported_network(network: nn.Module, size: int, title: str) -> Any:
    """Return a network as an ONNX model from ``x (batch, 3, size, size)`` to one output.

    By the older of torch's two exporters: it traces in a fifth of the time that the newer one
    takes, needs no further package, and gives the same numbers (docs/decisions/0019-export.md).

    Args:
        network: from normalised pictures to ``(b, k)``.
        size: side of the pictures.
        title: for messages.

    Raises:
        ExportError: it cannot be written.
    """
    onnx = require_onnx()
    file, example = io.BytesIO(), torch.zeros(_EXAMPLES, 3, size, size)
    with _EXPORTING:  # what is said is turned away, which is the process's
        previous = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            with (
                warnings.catch_warnings(),
                torch.no_grad(),
                Path(os.devnull).open("w") as quiet,
                redirect_stderr(quiet),
                redirect_stdout(quiet),
            ):
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    network.eval().cpu(),
                    (example,),
                    file,  # type: ignore[arg-type]
                    dynamo=False,
                    opset_version=OPSET,
                    input_names=["x"],
                    output_names=["y"],
                    dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
                )
        except Exception as error:  # the exporter raises errors of many kinds
            first = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise ExportError(
                f"the network {title} cannot be written as ONNX ({first}): export with format "
                "bundle, or use another backbone"
            ) from error
        finally:
            logging.disable(previous)
    return onnx.load_from_string(file.getvalue())
