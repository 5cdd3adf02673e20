"""Near hashes: what an index finds is what comparing all pairs finds."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.images import near_hashes as room
from toolkit.images.near_hashes import near_hashes


def hashes_with_near_ones(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return two hashes of n images, half of them others with some bits turned, some the same."""
    random = np.random.default_rng(seed)
    bits = random.random((n, 128)) < random.uniform(0.2, 0.8, 128)
    for row in range(n // 2, n):
        turned = random.choice(128, random.integers(0, 40), replace=False)
        bits[row] = bits[random.integers(n // 2)]
        bits[row, turned] ^= True
    both = np.packbits(bits, axis=1).view(np.uint64)
    return both[:, 0].copy(), both[:, 1].copy()


@pytest.mark.parametrize("most", [0, 3, 7, 8, 9, 12, 15, 16, 35])
@pytest.mark.parametrize(("native", "width"), [(False, 16), (True, 22)])
def test_an_index_finds_what_all_pairs_show(
    most: int, native: bool, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_NARROWEST", width)
    monkeypatch.setattr(room, "processor_has_bf16", lambda: native)
    monkeypatch.setattr(room, "_CANDIDATES", 50)
    monkeypatch.setattr(room, "_SIDE", 136)
    for seed in range(4):
        difference, frequency = hashes_with_near_ones(seed)
        bits = np.bitwise_count(difference[:, None] ^ difference)
        bits += np.bitwise_count(frequency[:, None] ^ frequency)
        a, b = np.nonzero(np.triu(bits <= most, 1))
        assert len(a)
        found = near_hashes(difference, frequency, most)
        np.testing.assert_array_equal(found, (a, b, bits[a, b]))
        even = near_hashes(difference, frequency, most, lambda a, b, bits: (a + b + bits) % 2 == 0)
        some = (a + b + bits[a, b]) % 2 == 0
        np.testing.assert_array_equal(even, (a[some], b[some], bits[a, b][some]))


@pytest.mark.parametrize("most", [8, 20])
def test_of_none_there_are_none(most: int) -> None:
    none = np.empty(0, np.uint64)
    assert [len(each) for each in near_hashes(none, none, most)] == [0, 0, 0]
