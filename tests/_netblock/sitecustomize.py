"""Blocks every network address but loopback, in this process and in those it starts.

`tests/conftest.py` puts this folder on PYTHONPATH, and Python imports `sitecustomize` by itself.
"""

import ipaddress
import socket
from typing import Any


class NetworkBlocked(ConnectionError):
    """A test tried to reach the network."""


def _allow(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        if ipaddress.ip_address(name).is_loopback:
            return
    except ValueError:  # a name, not an address
        pass
    raise NetworkBlocked(f"the tests may not reach {name}")


def _guarded(method: str) -> None:
    original = getattr(socket.socket, method)

    def guarded(self: socket.socket, *arguments: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _allow(arguments[-1][0])  # the address is the last argument, (host, port, ...)
        return original(self, *arguments)

    setattr(socket.socket, method, guarded)


def _guarded_lookup(function: str) -> None:
    original = getattr(socket, function)

    def guarded(host: Any, *arguments: Any, **options: Any) -> Any:
        _allow(host)
        return original(host, *arguments, **options)

    setattr(socket, function, guarded)


if not hasattr(socket, "network_is_blocked"):
    for _method in ("connect", "connect_ex", "sendto"):
        _guarded(_method)
    for _function in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        _guarded_lookup(_function)
    socket.network_is_blocked = True  # type: ignore[attr-defined]
