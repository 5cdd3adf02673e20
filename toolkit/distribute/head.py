"""Head: the machine that a cluster cannot do without, and whether it still answers."""

from __future__ import annotations

import socket
import time
from typing import Any

from toolkit.errors import ClusterError

_EVERY = 5.0
# a head that keeps its state comes back after a restart; Ray ends this process after 60 seconds
_PATIENCE = 40.0
_WAIT = 2.0


class Head:
    """Asks the head of a cluster now and then whether it is there.

    One that cannot be reached to begin with is not asked: a driver outside of the cluster reaches
    it through a server.

    Args:
        address: ``host:port`` of it.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._answered = self._asked = time.monotonic()
        self._reachable = self._listens()

    @classmethod
    def of(cls, ray: Any) -> Head:
        """Return the head of the cluster that this process is connected to."""
        return cls(str(ray.get_runtime_context().gcs_address))

    def answers(self) -> bool:
        """Return whether it did when it was asked last.

        Raises:
            ClusterError: it has not for so long that it is taken for lost.
        """
        if not self._reachable:
            return True
        now = time.monotonic()
        if now - self._asked > _EVERY:
            self._asked = now
            if self.there():
                self._answered = now
        if self._asked - self._answered > _PATIENCE:
            raise ClusterError(
                f"the head of the cluster ({self._address}) has not answered for {_PATIENCE:.0f} "
                "seconds: start it again, then run the same command again; what was finished is "
                "kept"
            )
        return self._answered == self._asked

    def there(self) -> bool:
        """Return whether it answers now."""
        return not self._reachable or self._listens()

    def _listens(self) -> bool:
        try:
            knock(self._address, _WAIT)
        except OSError:
            return False
        return True


def knock(address: str, patience: float) -> None:
    """Raise OSError where nobody listens; an address without a port is let pass.

    Args:
        address: ``host:port`` or ``ray://host:port``.
        patience: seconds.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=patience).close()
