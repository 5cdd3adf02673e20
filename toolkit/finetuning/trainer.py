"""Trainer: one loop for networks on pixels and for output layers on cached features.

All that is random in a step follows from the seed and the step's number: batches, augmentation and
dropout masks. A run that is killed and resumed from a checkpoint therefore goes on bit for bit as
if nothing had happened (on a processor with the same number of threads).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from toolkit.errors import STOPPED, StoppedError, UsageError
from toolkit.finetuning.across_workers import across
from toolkit.finetuning.averaged_weights import AveragedWeights
from toolkit.finetuning.callbacks import Callbacks, Metrics
from toolkit.finetuning.captured import CapturedPasses
from toolkit.finetuning.checkpoint import load_checkpoint, save_checkpoint
from toolkit.finetuning.depthwise import MixedDepthwise
from toolkit.finetuning.forward import autocast, batch_starts, logits_of
from toolkit.finetuning.objective import elementwise_loss, mean_over
from toolkit.finetuning.optimizer import depth_groups, make_optimizer, unfreeze_groups
from toolkit.finetuning.settings import Settings
from toolkit.finetuning.source import Source
from toolkit.finetuning.step_batch import step_batch
from toolkit.finetuning.tasks import Auxiliary, TaskHeads
from toolkit.finetuning.workers import ALONE, Share, Workers
from toolkit.heads.optimizing import rate_factor
from toolkit.runtime.transfers import exact_products, random_devices, to_device
from toolkit.statistics.metrics import hamming_accuracy, mean_average_precision

_WORTH_CAPTURING = 200  # steps
_POSITION = ("epoch", "step", "taken", "seconds", "history", "best")


class Trainer:
    """A network in training, with a position that can be saved and taken up again.

    Args:
        network: gives logits ``(b, L)``; its output layer is called ``head``.
        source: pictures or features of n images.
        Y: ``(n, L)`` of 0, 1, and -1 for unknown, which does not count; only rows of ``train`` and
            ``validation`` are looked at.
        train: ``int64 (m,)``, rows to learn from.
        validation: ``int64 (v,)``, rows to measure on after each epoch; may be empty.
        settings: see :class:`~toolkit.finetuning.settings.Settings`.
        pos_weight: ``float (L,)``, weight of a positive, or None.
        weight: ``float32 (n, L)`` of the training cells, of which unknown ones with any are no;
            None for 1 where a cell is known, and 0 elsewhere.
        auxiliary: tasks to learn with the labels; their heads are no part of what is kept.
        seed: of everything random; the global generators are left as they were.
        precision: ``bf16`` for autocast, or ``fp32``.
        device: ``cpu``, ``cuda`` (or ``cuda:1`` and so on) or ``mps``.
        graph: give full batches to a GPU as captured graphs; None where that pays.
        workers: the processes that take every step together; each is given the same arguments.

    Attributes:
        history: metrics of each finished epoch.
        captured: the passes that are given to a GPU at once.
    """

    def __init__(
        self,
        network: nn.Module,
        source: Source,
        Y: np.ndarray,
        train: np.ndarray,
        validation: np.ndarray,
        settings: Settings,
        *,
        pos_weight: np.ndarray | None = None,
        weight: np.ndarray | None = None,
        auxiliary: Auxiliary | None = None,
        seed: int = 0,
        precision: str = "fp32",
        device: str = "cpu",
        graph: bool | None = None,
        workers: Workers = ALONE,
    ) -> None:
        self.settings, self.source, self.seed = settings, source, seed
        self.train, self.validation = train, validation
        self.precision, self.device = precision, torch.device(device)
        self.workers = workers
        self.network = network.to(self.device)
        workers.equalise(self.network)
        if source.pixels:
            self.network = self.network.to(memory_format=torch.channels_last)
        self.Y = torch.from_numpy(np.ascontiguousarray(Y, np.float32)).to(self.device)
        self.masked = bool((Y < 0).any())
        self.weight = None if weight is None else torch.from_numpy(weight).to(self.device)
        self.loss = elementwise_loss(settings, pos_weight, self.device)
        self.tasks: TaskHeads | None = None
        if auxiliary is not None and auxiliary.tasks:
            self.tasks = auxiliary.heads(network, Y, train, seed).to(self.device)
        self.groups = depth_groups(self.network)
        # a weight of losses has its whole gradient on every worker
        heads = () if self.tasks is None else self.tasks.heads.parameters()
        self._summed = [*self.network.parameters(), *heads]
        self.optimizer = make_optimizer(self.groups, settings, self.tasks)
        self.average = AveragedWeights(self.network, settings.ema_decay, settings.kept_alpha)
        forward: Any = self.network
        if self.tasks is not None:
            forward = partial(self.tasks.outputs, self.network)
        self._forward = torch.compile(forward) if settings.compile else forward
        self.starts = batch_starts(len(train), settings.batch_size)
        self.steps = len(self.starts)
        same = not settings.unfreeze and not settings.compile and self.tasks is None
        same = same and workers.size == 1
        pays = settings.epochs * self.steps >= _WORTH_CAPTURING if graph is None else graph
        capture = pays and same and self.device.type == "cuda"
        self.captured = CapturedPasses(settings.batch_size if capture else 0, precision)
        self.epoch, self.step, self.taken = 0, 0, 0
        self.running, self.seconds = self._no_sums(), 0.0
        self.history: list[Metrics] = []
        self.best: dict[str, Any] | None = None

    def run(self, checkpoint: Path | None = None, callbacks: Callbacks | None = None) -> nn.Module:
        """Train to the end and return the network with the weights that are kept.

        Args:
            checkpoint: file to go on from, and to save to after each epoch and every so often.
            callbacks: of which ``on_epoch`` hears also of epochs that were done before a resume.

        Raises:
            StoppedError: a callback said so.
            ArtifactError: the checkpoint is damaged.
            UsageError: training diverged.
        """
        on = callbacks or Callbacks()
        on_epoch = on.on_epoch or (lambda _: None)
        with torch.random.fork_rng(
            devices=random_devices(self.device)
        ):  # the global generators stay as they were
            self._take_up(checkpoint)
            for done in self.history:
                on_epoch(done)
            saved = time.monotonic()
            while not self.finished:
                began = time.perf_counter()
                self.train_step()
                self.seconds += time.perf_counter() - began
                if on.on_step is not None:
                    on.on_step(self._batch_rows(self.step - 1).size)
                if self.step == self.steps:
                    self._end_epoch()
                    on_epoch(self.history[-1])
                asked = on.stop is not None and on.stop()
                due = self.step == 0 or asked or time.monotonic() - saved >= on.save_every
                if checkpoint is not None and due and self.workers.first:
                    save_checkpoint(self.state_dict(), checkpoint)
                    saved = time.monotonic()
                if asked and not self.finished:
                    raise StoppedError(STOPPED)
        return self.kept()

    def _take_up(self, checkpoint: Path | None) -> None:
        """Go on from a checkpoint that the first worker finds."""
        state = None
        if self.workers.first and checkpoint is not None and checkpoint.is_file():
            state = load_checkpoint(checkpoint)
        state = self.workers.from_first(state)
        if state is not None:
            self.load_state_dict(state)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or enough of them went by without a better one."""
        if self.epoch >= self.settings.epochs or self.settings.pretrain == "none":
            return True
        values = [line["validation_map"] for line in self.history]
        if not self.settings.patience or self.step or None in values or not values:
            return False
        return len(values) - 1 - int(np.argmax(values)) >= self.settings.patience

    def kept(self) -> nn.Module:
        """Return the network with the weights that the settings keep, in evaluation mode."""
        if self.best is not None:
            self.network.load_state_dict(self.best["network"])
        elif self.taken:
            self.network.load_state_dict(self.average.evaluated(self.network).state_dict())
        return self.network.eval()

    def state_dict(self) -> dict[str, Any]:
        """Return all that the rest of the run depends on."""
        state = {name: getattr(self, name) for name in _POSITION} | {"running": self.running.cpu()}
        return state | {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned."""
        for name in _POSITION:
            setattr(self, name, state[name])
        self.running.copy_(state["running"])
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        tasks = {} if self.tasks is None else {"tasks": self.tasks}
        return tasks | {
            "network": self.network,
            "optimizer": self.optimizer,
            "average": self.average,
        }

    def logits(
        self,
        rows: np.ndarray,
        network: nn.Module | None = None,
        on_batch: Callable[[], None] | None = None,
    ) -> np.ndarray:
        """Return ``float32 (m, L)`` of some rows, as they are scored and the network's mode is."""
        return logits_of(
            network or self.network,
            self.source.scored,
            rows,
            views=self.settings.views,
            precision=self.precision,
            on_batch=on_batch,
            # in training mode rows depend on those they are computed with
            workers=ALONE if (network or self.network).training else self.workers,
        )

    def diverged(self) -> UsageError:
        """Return the error that says so."""
        epoch = min(self.epoch + 1, self.settings.epochs)
        return UsageError(
            f"training diverged in epoch {epoch}: its scores are no numbers any more; "
            f"lower the learning rate ({self.settings.learning_rate:g})"
        )

    def train_step(self) -> None:
        """Take the next step of this epoch."""
        with exact_products(self.device, self.precision):
            self._take_step()

    def _take_step(self) -> None:
        how, at = self.settings, self._batch_rows(self.step)
        share = self.workers.share(len(at))
        self._seed_dropout()
        unfreeze_groups(self.groups, self.epoch, how.unfreeze)
        steps, cosine = max(1, how.epochs * self.steps), how.schedule == "cosine"
        factor = rate_factor(self.taken, steps, how.warm_up, cosine=cosine)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_rate"] * factor
        if not self.network.training:
            self.network.train()
        rows = to_device(torch.from_numpy(at), self.device)
        y = self.Y[rows] if self.weight is None else self.Y[rows].clamp(0)
        targets = y * (1 - how.label_smoothing) + 0.5 * how.label_smoothing
        if self.masked:  # what is unknown is blended as what it is: nothing, of no weight
            known = (y >= 0).float() if self.weight is None else self.weight[rows]
            targets = torch.cat([targets * known, known], 1)
        width = targets.shape[1]
        if self.tasks is not None:
            targets = self.tasks.with_targets(targets, rows)
        seed = self._seed_of("step", self.taken)
        batch, targets, generator = step_batch(self.source, how, at, targets, seed, share)
        targets, task_targets = targets[:, :width], targets[:, width:]
        weight = None
        if self.masked:
            targets, weight = targets.chunk(2, 1)
            targets = targets / weight.clamp_min(1e-6)
        logits, task_losses = self._outputs(batch, task_targets, generator, share)
        loss = total = mean_over(self.loss(logits, targets), weight)
        learned = list(self.network.parameters())
        if self.tasks is not None:
            total = self.tasks.total(loss, task_losses, y.shape[1])
            learned += self.tasks.parameters()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.workers.add_gradients(self._summed, share is not None)
        if how.gradient_norm:
            nn.utils.clip_grad_norm_(learned, how.gradient_norm)
        self.optimizer.step()
        self.average.update(self.network, self.taken)
        with torch.no_grad():
            # summed on the device: reading a number would wait for it at every step
            # of a blend the picture counts that is the larger part of it
            same = ((logits >= 0) == (targets > 0.5)).float()
            right = same.mean(1).sum() if weight is None else mean_over(same, weight) * len(at)
            means = [loss.detach(), *(each.detach() for each in task_losses)]
            first, *others = (mean * len(at) for mean in means)
            self.running += torch.stack([first, right, *others])
        self.step += 1
        self.taken += 1

    def _outputs(
        self,
        batch: torch.Tensor,
        task_targets: torch.Tensor,
        generator: torch.Generator,
        share: Share | None,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the logits of the whole batch and the loss of each task."""
        slow = self.precision == "bf16" and self.device.type == "cpu" and not self.settings.compile
        depthwise = MixedDepthwise() if slow else nullcontext()
        if self.tasks is None:
            at_once = self.captured.logits(self.network, batch, self._seed_dropout)
            if at_once is not None:
                return at_once, []
            with across(share), autocast(self.device, self.precision), depthwise:
                logits: torch.Tensor = self._forward(batch)
            return (logits.float() if share is None else share.joined(logits.float())), []
        count = len(batch)
        batch, turns = self.tasks.turned(batch, generator, share)
        with across(share, len(turns)), autocast(self.device, self.precision), depthwise:
            logits, *outputs = self._forward(batch, count)
        logits = logits.float()
        if share is not None:
            logits, outputs = share.joined(logits), self.tasks.joined(outputs, turns, share)
        return logits, self.tasks.losses(outputs, task_targets, turns)

    def _end_epoch(self) -> None:
        how = self.settings
        rows, began = len(self.train), time.perf_counter()
        loss, right, *tasks = self.running.tolist()  # waits until the device has done its steps
        if not math.isfinite(loss):
            raise self.diverged()
        seconds = self.seconds + time.perf_counter() - began
        metrics: Metrics = {
            "epoch": self.epoch + 1,
            "learning_rate": self.optimizer.param_groups[-1]["lr"],
            "train_loss": loss / rows,
            "train_accuracy": right / rows,
            "validation_loss": None,
            "validation_accuracy": None,
            "validation_map": None,
            "seconds": round(seconds, 3),
            "images_per_second": round(rows / max(seconds, 1e-9), 1),
        }
        network = self.average.evaluated(self.network)
        metrics |= self._validated(network)
        metrics |= {} if self.tasks is None else self.tasks.metrics(tasks, rows)
        metrics = self.workers.from_first(metrics)  # all must agree which epoch was the best
        self.workers.equalise(self.network, self.tasks, self.average.mean)
        self.history.append(metrics)
        score = {
            "best-training-accuracy": metrics["train_accuracy"],
            "best-validation-map": metrics["validation_map"],
        }.get(how.keep)
        if score is not None and (self.best is None or score > self.best["score"]):
            weights = {name: value.clone() for name, value in network.state_dict().items()}
            self.best = {"score": score, "epoch": self.epoch + 1, "network": weights}
        self.epoch, self.step = self.epoch + 1, 0
        self.running, self.seconds = self._no_sums(), 0.0

    def _validated(self, network: nn.Module) -> Metrics:
        if not len(self.validation):
            return {}
        torch.manual_seed(self._seed_of("validation", self.epoch))
        # as published: dropout at work, and normalisation by, and learning from, the batch at hand
        network.train(self.settings.validation_mode == "train")
        logits = self.logits(self.validation, network)
        network.eval()
        if not self.workers.first:
            return {}
        if not np.isfinite(logits).all():
            raise self.diverged()
        at = to_device(torch.from_numpy(self.validation), self.device)
        y = self.Y[at]
        known = (y >= 0).float() if self.masked else None
        loss = mean_over(self.loss(torch.from_numpy(logits).to(self.device), y.clamp(0)), known)
        truth = y.cpu().numpy().astype(np.int8)
        found = mean_average_precision(truth, logits)
        return {
            "validation_loss": float(loss),
            "validation_accuracy": hamming_accuracy(truth, logits >= 0),
            "validation_map": None if math.isnan(found) else found,
        }

    def _batch_rows(self, step: int) -> np.ndarray:
        """Return the rows of a step of this epoch; the order is the epoch's own."""
        if getattr(self, "_order_of", None) != self.epoch:
            random = np.random.default_rng((self.seed, self.epoch))
            self._order, self._order_of = random.permutation(self.train), self.epoch
        ends = [*self.starts[1:], len(self.train)]
        return self._order[self.starts[step] : ends[step]]

    def _seed_dropout(self) -> None:
        torch.manual_seed(self._seed_of("dropout", self.taken))

    def _no_sums(self) -> torch.Tensor:
        kind = torch.float32 if self.device.type == "mps" else torch.float64
        tasks = 0 if self.tasks is None else len(self.tasks.names)
        return torch.zeros(2 + tasks, dtype=kind, device=self.device)

    def _seed_of(self, what: str, number: int) -> int:
        spread = np.random.SeedSequence((self.seed, number, *what.encode()))
        return int(spread.generate_state(1, np.uint64)[0] >> 1)
