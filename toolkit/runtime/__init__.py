"""Runtime: the machine that work runs on."""
