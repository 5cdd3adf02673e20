"""MultitaskHead: one network for all labels, which learns auxiliary tasks as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from toolkit.heads.auxiliary import WEIGHTINGS, Targets, check_tasks, make_targets
from toolkit.heads.head import seed_of, warn_one_class
from toolkit.heads.network_head import Layers, NetworkHead
from toolkit.runtime.options import check_choices, check_ranges


@dataclass(eq=False, repr=False)
class MultitaskHead(NetworkHead):
    """A shared hidden layer under one output a label and one head a task (Caruana 1997).

    The paper closes with the hope that additional tasks would make a model learn features where the
    labels alone let it say no to everything. Here the tasks' losses are added to the labels' own,
    either with fixed weights or with ``exp(-s)`` for a learned log-variance s each (Kendall et al.
    2018), which the sum of the s keeps from vanishing. Only the labels' outputs predict.

    Args:
        tasks: names out of :data:`toolkit.heads.auxiliary.TASKS`; may be none at all.
        weighting: ``uncertainty`` or ``fixed``.
        aux_weight: of each task's loss where weights are fixed; the labels' is 1.
        hidden: units of the shared layer.
        gamma: focusing of the labels' focal loss; 0 is cross-entropy.

    Further arguments, and what is learned, are those of
    :class:`~toolkit.heads.network_head.NetworkHead`.

    Attributes:
        log_variance_: ``float32 (1 + tasks,)``, learned, the labels' first; 0 with fixed weights.
    """

    LEARNED = (*NetworkHead.LEARNED, "log_variance")

    tasks: tuple[str, ...] = ("cardinality", "any")
    weighting: str = "uncertainty"
    aux_weight: float = 0.3
    hidden: int = 512

    log_variance_: np.ndarray = field(init=False)

    def check(self) -> None:
        """See :meth:`OneVsRestHead.check`."""
        super().check()
        check_tasks(self.tasks)
        check_choices(self, weighting=WEIGHTINGS)
        check_ranges(self, {"[0, inf)": "aux_weight"})

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        aux: Mapping[str, np.ndarray] | None = None,
    ) -> Self:
        """Fit labels and tasks.

        Args:
            X: as for :meth:`OneVsRestHead.fit`.
            y: as for :meth:`OneVsRestHead.fit`.
            sample_weight: ``(n,)`` or ``(n, L)``, of the labels' losses.
            aux: what tasks learn from that labels do not give, ``(n, k)`` by task name.

        Raises:
            ValueError: shapes differ, an option is outside its range, or material is missing.
        """
        X, Y, weight = self._validated(X, y, sample_weight)
        varied = self._find_constant(Y, weight)
        warn_one_class([self])
        seed, counted = seed_of(self.random_state), (weight > 0).any(1)
        X, Y, weight = X[counted], Y[counted], weight[counted]
        material = {name: np.asarray(values)[counted] for name, values in (aux or {}).items()}
        known = np.where(weight > 0, Y, np.int8(-1))
        targets = [make_targets(task, known, material, seed) for task in self.tasks]
        self._fit(X, Y[:, varied], weight[:, varied], targets, seed)
        return self

    def _fit(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        weight: np.ndarray,
        targets: Sequence[Targets] = (),
        seed: int = 0,
    ) -> None:
        X = self._learn_roots(X)
        self._learn_scale(X)
        self.log_variance_ = np.zeros(1 + len(targets), np.float32)
        if Y.shape[1]:
            from toolkit.heads.multitask_training import train

            network, self.log_variance_ = train(
                self._standardised(X),
                Y,
                weight,
                list(targets),
                self,
                seed=seed,
                weighting=self.weighting,
                aux_weight=self.aux_weight,
            )
            self.networks_ = [network]

    def _logits(self, layers: Layers, X: np.ndarray) -> np.ndarray:
        from toolkit.heads.multitask_training import logits_of

        return logits_of(layers, X)
