"""Decide which IP addresses Aura may connect to, and which of them are one network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# `ipaddress` treats these as global although they are not public: addresses that
# embed another address (NAT64, 6to4, Teredo, v4-compatible), the old site-local
# range, protocol assignments and benchmark networks.
_NON_PUBLIC = tuple(
    map(
        ip_network,
        (
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2002::/16",
            "2001::/32",
            "::/96",
            "fec0::/10",
            "100.64.0.0/10",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
        ),
    )
)
# IPv6 networks whose addresses embed an IPv4 address in their last 32 bits.
_TRANSLATED = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")))
_BROADCAST = IPv4Address("255.255.255.255")


def is_reachable(address: str, allow_nets: tuple[Network, ...] = ()) -> bool:
    """Whether Aura may connect to this IP address: a public one, or one in a listed network.

    Loopback and link-local addresses need a listed network that is itself loopback or link-local,
    so that a wide network does not include the Aura server. If an address embeds another address,
    both are checked.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_unspecified or ip.is_multicast or ip == _BROADCAST:
        return False
    listed = [net for net in allow_nets if ip in net]
    if ip.is_loopback or ip.is_link_local:
        return any(net.is_loopback or net.is_link_local for net in listed)
    if isinstance(ip, IPv6Address) and not all(
        is_reachable(str(carried), allow_nets) for carried in _carried(ip)
    ):
        return False
    if listed:
        return True
    return ip.is_global and not ip.is_reserved and not any(ip in net for net in _NON_PUBLIC)


def network_of(ip: str) -> str:
    """Return the network that one household or server usually has.

    That is an IPv4 address itself, or the /64 network of an IPv6 address. Text that is no
    address is returned as it is, cut to 45 characters.
    """
    try:
        address = ip_address(ip)
    except ValueError:
        return ip[:45]
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    if isinstance(address, IPv6Address):
        address = IPv6Address(int(address))  # without the zone, which is not part of the network
        return str(ip_network((address, 64), strict=False))
    return str(address)


def _carried(ip: IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that a gateway maps this one to (RFC 6052, 3056, 4380, 7915)."""
    if ip.sixtofour is not None:
        return [ip.sixtofour]
    if ip.teredo is not None:
        return list(ip.teredo)
    if any(ip in net for net in _TRANSLATED):
        return [IPv4Address(int(ip) & 0xFFFFFFFF)]
    return []
