"""Where a server is reached, and by whom."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from tithe.errors import InputError

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Address:
    """Where the server is reached, and by whom.

    Attributes
    ----------
    port
        0 for any that is free.
    names
        Further names that the Host header of a request may have.
    token
        What `Authorization: Bearer` must have; empty for no such check.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    names: tuple[str, ...] = ()
    token: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names, in lower case, of which a Host header must have one; empty if any will do.

        A page on the web can't make a browser's request to a loopback address look like one of these (DNS rebinding).
        """
        if not self.is_loopback and not self.names:
            return frozenset()
        return frozenset(name.lower() for name in (*_LOOPBACK_NAMES, self.shown_host, *self.names))

    @property
    def shown_host(self) -> str:
        """The host as in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host


def checked_token(text: str, source: str) -> str:
    """Return a token without the line break at its end.

    Raises
    ------
    InputError
        It is empty, or has characters that a header can't have.
    """
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"{source} has no token: it is one line of letters, digits and signs without spaces")
    return token
