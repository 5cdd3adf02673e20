"""Statistics: metrics, intervals and tests as pure functions."""
