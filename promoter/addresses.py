"""Addresses that no health URL may lead to: those of the link itself, where a cloud hands its machines their credentials."""

import asyncio
import socket
from ipaddress import IPv6Address, ip_address

import httpx

from promoter.errors import HealthError

METADATA = ip_address("fd00:ec2::254")
"""Amazon's instance metadata over IPv6, which is not link-local."""


async def refuse_link_local(url: httpx.URL) -> None:
    """Raise HealthError if the host of `url` is, or is a name for, such an address; a name that nobody knows passes."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for *_, place in found:
        refuse(url, str(place[0]))


def refuse(url: httpx.URL, address: str) -> None:
    """Raise HealthError if `address`, where `url` leads, is such an address."""
    if is_link_local(address):
        raise HealthError(
            f"health URL {url} leads to {address}, a link-local address: what is there is no service",
            hint="Name in `health_url` the public address of the service.",
        )


def is_link_local(address: str) -> bool:
    """Say whether an IP address is 169.254.0.0/16, fe80::/10 or Amazon's metadata, also where IPv6 wraps it."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.is_link_local or found == METADATA
