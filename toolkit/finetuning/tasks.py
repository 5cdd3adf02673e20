"""Auxiliary tasks of fine-tuning: heads on the shared trunk that are dropped once it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from toolkit.finetuning.workers import Share
from toolkit.heads.auxiliary import QUARTERS, ROTATION, Targets, make_targets
from toolkit.heads.losses import task_loss, weighted_sum
from toolkit.runtime.transfers import to_device

TURNED = 0.25


@dataclass(frozen=True)
class Auxiliary:
    """Which tasks a trunk learns with the labels.

    Attributes:
        tasks: names out of :data:`toolkit.heads.auxiliary.TASKS`, and ``rotation``.
        weighting: ``uncertainty`` (Kendall et al. 2018) or ``fixed``.
        weight: of each task's loss where weights are fixed; the labels' is 1.
        material: what tasks learn from that labels do not give, ``(n, k)`` by task name, for the
            source's n rows; only a run's training rows are looked at.
    """

    tasks: tuple[str, ...]
    weighting: str = "uncertainty"
    weight: float = 0.3
    material: Mapping[str, np.ndarray] = field(default_factory=dict)

    def heads(self, network: nn.Module, Y: np.ndarray, train: np.ndarray, seed: int) -> TaskHeads:
        """Return the heads and targets of one run, learned from its training rows alone.

        Args:
            network: whose layer ``head`` has the width of the trunk's features.
            Y: ``int8 (n, L)``; -1 is unknown.
            train: ``int64 (m,)``.
            seed: of the heads' weights and of a teacher's principal components.
        """
        material = {name: values[train] for name, values in self.material.items()}
        targets = [
            make_targets(task, Y[train], material, seed) for task in self.tasks if task != ROTATION
        ]
        layer: Any = network.get_submodule("head")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return TaskHeads(int(layer.in_features), targets, train, len(Y), self)


class TaskHeads(nn.Module):
    """One linear layer a task on the trunk's features, and the learned weights of their losses.

    Targets are those of the whole picture, whatever crop of it a step sees. For rotation (Gidaris
    et al. 2018), a quarter of a step's pictures goes through the trunk once more, each turned by a
    drawn number of quarter turns, which the task's head is to recognise; the labels are not learned
    from turned pictures.

    Args:
        dim: width of the features.
        targets: of the tasks but rotation, m rows each.
        train: ``int64 (m,)``, the rows they belong to.
        count: n, rows of the source.
        how: names, weighting.

    Attributes:
        log_variance: ``(1 + tasks,)``, learned, the labels' first, rotation's last.
    """

    known: torch.Tensor

    def __init__(
        self,
        dim: int,
        targets: Sequence[Targets],
        train: np.ndarray,
        count: int,
        how: Auxiliary,
    ) -> None:
        super().__init__()
        self.how = how
        self.rotation = ROTATION in how.tasks
        turning = [ROTATION] if self.rotation else []
        self.names = [*(task.name for task in targets), *turning]
        self.kinds = [*(task.kind for task in targets), *("classes" for _ in turning)]
        self.widths = [task.outputs for task in targets]
        outputs = [*self.widths, *(QUARTERS for _ in turning)]
        self.heads = nn.ModuleList(nn.Linear(dim, width) for width in outputs)
        self.log_variance = nn.Parameter(torch.zeros(1 + len(outputs)))
        known = np.full((count, sum(self.widths)), np.nan, np.float32)  # no other row may teach
        known[train] = np.concatenate([np.zeros((len(train), 0)), *map(_spread, targets)], 1)
        # follows the heads to their device; no part of what is learned
        self.register_buffer("known", torch.from_numpy(known), persistent=False)

    def with_targets(self, targets: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        """Append the tasks' targets of some rows to the labels' ``(b, L)``."""
        return torch.cat([targets, self.known[at]], 1)

    def turned(
        self, batch: torch.Tensor, generator: torch.Generator, share: Share | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append turned copies of the first pictures; return the numbers of quarter turns too.

        Of a share the batch and the copies are its own; the numbers are those of all copies.
        """
        if not self.rotation:
            return batch, torch.zeros(0, dtype=torch.int64)
        copies = -(-(len(batch) if share is None else share.count) // round(1 / TURNED))
        turns = torch.randint(QUARTERS, (copies,), generator=generator)
        own = turns if share is None else turns[share.among(copies)]
        each = [batch[n].rot90(k, (1, 2)) for n, k in enumerate(own.tolist())]
        joined = torch.cat([batch, *(one[None] for one in each)])
        return joined.contiguous(memory_format=torch.channels_last), to_device(turns, batch.device)

    def joined(
        self, outputs: Sequence[torch.Tensor], turns: torch.Tensor, share: Share
    ) -> list[torch.Tensor]:
        """Return the tasks' outputs for the whole batch, from those of a share.

        Args:
            outputs: of the tasks, as :meth:`outputs` gives them.
            turns: what :meth:`turned` returned.
            share: whose they are.
        """
        counts = [None] * len(self.widths) + [len(turns)] * self.rotation
        return [
            share.joined(each.float(), count) for each, count in zip(outputs, counts, strict=True)
        ]

    def outputs(self, network: nn.Module, batch: torch.Tensor, count: int) -> list[torch.Tensor]:
        """Return the labels' logits ``(count, L)``, then each task's outputs.

        Args:
            network: with ``features`` and ``head``.
            batch: what :meth:`turned` returned.
            count: pictures that are as they were.
        """
        whole: Any = network
        features = whole.features(batch)
        upright = features[:count]
        seen = [upright] * len(self.widths) + [features[count:]] * self.rotation
        tasks = [head(part) for head, part in zip(self.heads, seen, strict=True)]
        return [whole.head(upright), *tasks]

    def losses(
        self, outputs: Sequence[torch.Tensor], targets: torch.Tensor, turns: torch.Tensor
    ) -> list[torch.Tensor]:
        """Return each task's mean loss.

        Args:
            outputs: of the tasks, as :meth:`outputs` gives them.
            targets: what :meth:`with_targets` appended to the labels'.
            turns: what :meth:`turned` returned.
        """
        wanted = list(torch.split(targets, self.widths, 1)) if self.widths else []
        wanted += [functional.one_hot(turns, QUARTERS).float()] * self.rotation
        tasks = zip(self.kinds, outputs, wanted, strict=True)
        return [task_loss(kind, output.float(), target) for kind, output, target in tasks]

    def total(
        self, labels: torch.Tensor, tasks: Sequence[torch.Tensor], width: int
    ) -> torch.Tensor:
        """Return the weighted sum of the losses.

        A likelihood's loss is summed over the labels; the whole is divided by their number, so that
        with tasks of weight 0 it is the labels' own mean loss.

        Args:
            labels: the labels' mean loss.
            tasks: each task's.
            width: L.
        """
        found = [labels * width, *tasks]
        how = self.how
        return weighted_sum(found, self.kinds, self.log_variance, how.weighting, how.weight) / width

    def metrics(self, sums: Sequence[float], rows: int) -> dict[str, float]:
        """Return an epoch's metrics: each task's mean loss and the weight of its loss."""
        weights = [self.how.weight] * len(self.names)
        if self.how.weighting == "uncertainty":
            weights = torch.exp(-self.log_variance.detach()[1:]).tolist()
        found = {f"{name}_loss": total / rows for name, total in zip(self.names, sums, strict=True)}
        return found | {
            f"{name}_weight": weight for name, weight in zip(self.names, weights, strict=True)
        }


def _spread(targets: Targets) -> np.ndarray:
    """Return targets as floats ``(m, k)``, classes as one 1 among zeros, so that they blend."""
    if targets.kind != "classes":
        return targets.values
    found: np.ndarray = np.eye(targets.outputs, dtype=np.float32)[targets.values]
    return np.where((targets.values < 0)[:, None], np.float32(np.nan), found)
