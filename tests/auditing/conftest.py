from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.auditing.scenes import Scenes, make_scenes


@pytest.fixture
def scenes() -> Callable[..., Scenes]:
    return make_scenes


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small problems run faster on one thread than on two that wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
