"""Several processes that train one network do what one does, but for the last bits of sums."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.finetuning import workers_fakes as fakes
from tests.finetuning.finetune_fakes import QUICK, one_thread, pictures
from toolkit.finetuning.across_workers import AcrossWorkers
from toolkit.finetuning.source import Source
from toolkit.finetuning.step_batch import step_batch
from toolkit.finetuning.workers import ALONE, Workers

__all__ = ["one_thread"]
SIZE = 3  # batches of 8 are shared unevenly; the last one of some runs has fewer pictures
Found = list[dict[str, Any]]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of one process in the middle of an epoch."""
    path = tmp_path_factory.mktemp("begun") / "checkpoint.pt"
    fakes.stopped(path)
    return path


@pytest.fixture(scope="module")
def found(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Return what each of three processes gives for everything that is asked of them here."""
    return fakes.together(SIZE, tmp_path_factory.mktemp("together"), fakes.All(begun))


@pytest.mark.parametrize("name", fakes.RUNS)
def test_every_worker_ends_as_one_process(found: Found, name: str) -> None:
    alone = fakes.ended(fakes.run(name))
    for each in found:
        fakes.same(alone, each[name], fakes.TOLERANCE.get(name, 3e-5))


def test_workers_end_with_the_same_bits(found: Found) -> None:
    for name in fakes.RUNS:
        for each in found[1:]:
            for key, value in found[0][name]["network"].items():
                assert torch.equal(each[name]["network"][key], value)


def test_a_run_goes_on_with_another_number_of_workers(
    found: Found, begun: Path, tmp_path: Path
) -> None:
    whole = fakes.ended(fakes.run("plain"))
    fakes.same(whole, found[0]["gone on"])
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(begun.with_name("of-three.pt").read_bytes())
    fakes.same(whole, fakes.ended(fakes.run("plain", checkpoint=path)))
    fakes.same(whole, fakes.ended(fakes.run("plain", checkpoint=begun)))


def test_probes_and_scores_are_those_of_one_process_and_the_first_has_them(found: Found) -> None:
    alone = fakes.fitted(ALONE)
    assert found[1]["fitted"] == found[2]["fitted"] == {}
    for mine, theirs in zip(alone["logits"], found[0]["fitted"]["logits"], strict=True):
        torch.testing.assert_close(theirs, mine, rtol=0, atol=1e-3)
    for name, value in alone["state"].items():
        torch.testing.assert_close(found[0]["fitted"]["state"][name], value, rtol=0, atol=1e-3)


@pytest.mark.parametrize("rank", range(SIZE))
def test_a_picture_looks_the_same_whoever_computes_it(rank: int) -> None:
    X, Y = pictures(20)
    source = Source(lambda rows: X[rows], len(X), pixels=True)
    how = replace(QUICK, rotate=20.0, colour=0.3, mixup=0.4)
    at, targets = np.arange(3, 20)[::-1].copy(), torch.from_numpy(Y[3:20].astype(np.float32))
    whole = step_batch(source, how, at, targets, 7, None)
    share = Workers(rank, SIZE).share(len(at))
    assert share is not None
    mine = step_batch(source, how, at, targets, 7, share)
    torch.testing.assert_close(mine.inputs, whole.inputs[share.at], rtol=0, atol=1e-4)
    assert torch.equal(mine.targets, whole.targets)
    assert torch.equal(mine.generator.get_state(), whole.generator.get_state())


def test_shares_are_all_pictures_once_and_as_many_for_each() -> None:
    for count in range(1, 20):
        shares = [Workers(rank, SIZE).share(count) for rank in range(SIZE)]
        if count < SIZE:
            assert shares == [None] * SIZE
            continue
        places = [share.at.tolist() for share in shares if share is not None]
        assert sorted(itertools.chain(*places)) == list(range(count))
        assert max(map(len, places)) - min(map(len, places)) <= 1
    assert ALONE.share(5) is None


class _Path(nn.Module):
    """Drop path, as timm and torchvision draw it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x.new_empty((len(x),) + (1,) * (x.dim() - 1)).bernoulli_(0.5)


LAYERS = {
    "dropout": (nn.Dropout(0.4), (12, 30)),
    "dropout of maps": (nn.Dropout(0.4), (12, 4, 5, 5)),
    "whole maps": (nn.Dropout2d(0.4), (12, 40, 2, 2)),
    "tokens, flattened": (nn.Dropout(0.4), (36, 7)),
    "in place": (nn.Dropout(0.4, inplace=True), (12, 30)),
    "drop path": (_Path(), (12, 3, 4)),
}


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_masks_are_those_of_the_whole_batch(name: str, last: bool) -> None:
    layer, shape = LAYERS[name]
    x = 1 + torch.arange(float(np.prod(shape))).view(shape)
    if last and x.dim() == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    torch.manual_seed(5)
    whole = layer.train()(x.clone())
    at, each = torch.tensor([1, 4, 5, 7, 10]), shape[0] // 12
    rows = (at[:, None] * each + torch.arange(each)).flatten()
    torch.manual_seed(5)
    with AcrossWorkers(at, 12):
        mine = layer(x[rows])
    torch.testing.assert_close(mine, whole[rows])
    assert 0 < (whole == 0).float().mean() < 1


def test_evaluation_is_left_alone() -> None:
    x = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    mean, var = torch.zeros(3), torch.ones(3)
    with AcrossWorkers(torch.tensor([0]), 2):
        assert torch.equal(functional.dropout(x, 0.5, training=False), x)
        found = functional.batch_norm(x, mean, var, training=False)
    assert torch.equal(found, functional.batch_norm(x, mean, var, training=False))
