"""Addresses in networks: IPv4, IPv6, hardware addresses, each of the same kind as the original."""

from __future__ import annotations

import ipaddress
import re

from depsim_dagster.privacy.surrogates.shapes import Shape, laid_out, visible
from depsim_dagster.privacy.surrogates.slots import Slot, Template, canonical, plain

_HEX = re.compile(r"[0-9a-fA-F]+")


def network_address(type_: str, original: str, language: str | None) -> Template:
    """An address, also with the prefix length, the zone or the port that follows it."""
    text = visible(original)
    for tail in ("", *_TAIL.findall(text)):
        written = text.removesuffix(tail)
        try:
            address = ipaddress.ip_address(written)
        except ValueError:
            continue
        return [*_host(written, str(address)), tail]
    return plain(type_, original, language)


_TAIL = re.compile(r"(?:/\d{1,3}|%\w{1,16}|:\d{1,5})$")


def _host(written: str, address: str) -> Template:
    if ":" not in written:
        return [Slot(Shape("ip4", variant=_network(written)), f"ip:{address}")]
    if "." in written:  # an IPv4 address inside of an IPv6 address
        first, _, second = written.rpartition(":")
        return [first + ":", *_host(second, second)]
    form = _HEX.sub(lambda group: "a" * len(group.group()), written)
    write = str.upper if written != written.lower() else str
    return [Slot(Shape("ip6", form, variant=written[:2].lower()), f"ip:{address}:{form}", write)]


def _network(address: str) -> str:
    """The kind of network of an IPv4 address: one of the private ranges, or none."""
    first, second = (int(octet) for octet in address.split(".")[:2])
    if first == 10 or (first == 172 and 16 <= second < 32) or (first == 100 and 64 <= second < 128):
        return str(first)
    return f"{first}.{second}" if (first, second) in ((192, 168), (169, 254)) else ""


def hardware_address(type_: str, original: str, language: str | None) -> Template:
    compact = canonical(type_, original)
    if not _HEX.fullmatch(compact):
        return plain(type_, original, language)
    return [Slot(Shape("hex", "a" * len(compact), variant="mac"), f"{type_}:{compact}", laid_out(original))]
