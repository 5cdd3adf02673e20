"""Probe: the output layer as logistic regressions on the features of the trunk below it.

Training begins with one: a drawn output layer sends the trunk gradients that undo what it knows
before they teach it anything; probing first and training all layers after it keeps more of the
trunk (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution"). And it ends with one, on training pictures of the size that is scored: the
same things on larger pictures give features of other lengths, to which the layer above has to be
fitted (Touvron et al. 2019, "Fixing the train-test resolution discrepancy").
"""

from __future__ import annotations

import numpy as np
import torch

from toolkit.finetuning.forward import Check, outputs_of
from toolkit.finetuning.networks import Classifier
from toolkit.finetuning.source import Source
from toolkit.finetuning.workers import ALONE, Workers
from toolkit.heads.linear import LinearHead


def probe(
    network: Classifier,
    source: Source,
    Y: np.ndarray,
    train: np.ndarray,
    *,
    pos_weight: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    precision: str = "fp32",
    on_batch: Check | None = None,
    workers: Workers = ALONE,
) -> None:
    """Replace the output layer by logistic regressions on the trunk's features.

    Strengths are chosen per label on the training rows (:class:`~toolkit.heads.linear
    .LinearHead`). A label without both classes among them gets its log odds, one positive and one
    negative added, whatever the picture.

    Args:
        network: is moved to the source's device; its output layer is written to.
        source: pictures, which are seen unchanged.
        Y: ``int8 (n, L)``, -1 for unknown, of which only training rows are looked at.
        train: ``int64 (m,)``.
        pos_weight: ``float (L,)``, weight of a positive, or None.
        weight: ``float32 (n, L)`` of cells, of which unknown ones with any are no; or None.
        precision: ``bf16`` or ``fp32``.
        on_batch: called before each batch of pictures.
        workers: share the pictures; the first one fits, and all get what it found.
    """
    network.eval().to(source.device)
    X = outputs_of(network.features, source, train, precision, on_batch, workers)
    if workers.first:
        _fit(network, X, Y, train, str(source.device), pos_weight, weight)
    workers.equalise(network.head)


def _fit(
    network: Classifier,
    X: np.ndarray,
    Y: np.ndarray,
    train: np.ndarray,
    device: str,
    pos_weight: np.ndarray | None,
    weight: np.ndarray | None,
) -> None:
    targets = Y[train]
    cells = None if weight is None else weight[train]
    if cells is not None:
        targets = np.where((targets < 0) & (cells > 0), 0, targets)
    positives, negatives = ((targets == value).sum(0) for value in (1, 0))
    if pos_weight is not None:
        own = np.where(targets == 1, pos_weight, 1.0).astype(np.float32)
        cells = own if cells is None else cells * own
    varied = np.flatnonzero((positives > 0) & (negatives > 0))
    coef = np.zeros((Y.shape[1], X.shape[1]), np.float32)
    intercept = np.log((positives + 1) / (negatives + 1)).astype(np.float32)
    if len(varied):
        head = LinearHead(normalise=False, device=device if device.startswith("cuda") else "cpu")
        head.fit(X, targets[:, varied], None if cells is None else cells[:, varied])
        coef[varied], intercept[varied] = head.coef_, head.intercept_
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(coef))
        network.head.bias.copy_(torch.from_numpy(intercept))
