"""Visitors: from where a request really comes, whatever it says of itself."""

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
UNKNOWN: Final = "?"
"""The address of whoever has none, as over a socket of this machine."""
_SITE_BITS: Final = 64
"""Of an IPv6 address: one visitor has at least a whole /64 (RFC 6177)."""


def networks(names: Iterable[str]) -> tuple[Network, ...]:
    """The networks that names such as ``10.0.0.0/8`` or ``192.0.2.1`` stand for. ValueError names one that is none."""
    return tuple(ip_network(name) for name in names)


def real_address(peer: str, forwarded: Iterable[str], trusted: Sequence[Network]) -> str:
    """The address behind those proxies that we trust, by the values of ``X-Forwarded-For``.

    Each proxy adds at the right whom it heard. So we go from the right and stop at the first that is not ours: what
    stands left of it anybody may have written.
    """
    address = _parsed(peer) if trusted else None
    if address is None:
        return peer
    hops = [hop for value in forwarded for hop in value.split(",")]
    while hops and any(address in network for network in trusted):
        hop = _parsed(hops.pop())
        if hop is None:
            break
        address = hop
    return str(address)


def limit_key(address: str) -> str:
    """By what limits count an address: itself, or its /64."""
    if ":" not in address:
        return address
    parsed = _parsed(address)
    if not isinstance(parsed, IPv6Address):
        return address if parsed is None else str(parsed)
    return str(IPv6Network((parsed, _SITE_BITS), strict=False))


def may_connect(origins: Sequence[str], hosts: Sequence[str], allowed: Collection[str]) -> bool:
    """Whether a request with these ``Origin`` and ``Host`` headers may open a connection: no browser (no origin), a
    page of the host that is called, or one of the origins that are allowed."""
    named = [host.lower() for host in hosts]
    for origin in origins:
        scheme, _, host = origin.lower().partition("://")
        if not (scheme in ("http", "https") and [host] == named) and origin.lower() not in allowed:
            return False
    return True


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: with a port, in brackets, an IPv4 one as IPv6."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
