"""Origins of scores: how a model that gave a score stands to the row it scored."""

from __future__ import annotations

OUT_OF_FOLD, HELD_OUT, IN_SAMPLE = 0, 1, 2
ORIGINS = ("out-of-fold", "held-out", "in-sample")
