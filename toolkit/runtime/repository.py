"""The commit of a user's own repository, where a run was started in one."""

from __future__ import annotations

import subprocess


def commit_here() -> str | None:
    """Return the commit of the working directory's git repository, None where there is none.

    It ends in ``-dirty`` where tracked files were changed since. Without git, or where it takes
    longer than five seconds, there is none either.
    """
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True, text=True, check=False, timeout=5,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
