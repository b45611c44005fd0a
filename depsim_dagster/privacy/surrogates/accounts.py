"""Accounts and hosts: e-mail addresses, account names, pages, credentials, connection strings.

Words of them that are words of a person's name become what that person's surrogate would use (surrogates.py).
"""

from __future__ import annotations

import ipaddress
import re

from depsim_dagster.privacy.surrogates.networks import network_address
from depsim_dagster.privacy.surrogates.pools import locale_of
from depsim_dagster.privacy.surrogates.public_words import (
    AT_WORDS,
    DOT_WORDS,
    PATH_WORDS,
    PROVIDERS,
    PUBLIC_LABELS,
    SECOND_LEVELS,
    SITES,
    TOP_LEVELS,
)
from depsim_dagster.privacy.surrogates.shapes import (
    WORD,
    WORD_OR_NUMBER,
    Shape,
    folded,
    form_of,
    shape_of,
    visible,
    written_like,
)
from depsim_dagster.privacy.surrogates.slots import Slot, Template, canonical, plain

_SETTING = re.compile(
    r"(?i)\b(server|host|data source|addr(?:ess)?|user(?: ?id|name)?|uid|password|pwd|account(?:name|key)"
    r"|sharedaccesskey)\s?=\s?"
)
_END_OF_SETTING = re.compile(r"[;&\s\"']|$")


def mailbox(type_: str, original: str, language: str | None) -> Template:
    """Local part and host of an e-mail address, also of one that is spelled out."""
    text = visible(original)
    at = text.rfind("@")
    if at < 0:
        spelled = next((m for m in WORD.finditer(text) if folded(m.group()) in AT_WORDS), None)
        if spelled is None:
            return handles(type_, text, language, original)
        local, sign, host = text[: spelled.start()], spelled.group(), text[spelled.end() :]
        return [*handles(type_, local, language, original), sign, *_spelled_host(host, language, original)]
    host = text[at + 1 :]
    kept = [host] if host.lower() in PROVIDERS else host_name(host, language)
    return [*handles(type_, text[:at], language, original), "@", *kept]


def handles(type_: str, text: str, language: str | None, original: str = "") -> Template:
    """An account's name: its words and its numbers."""
    locale, pieces, position, kind = locale_of(language, ""), [], 0, "given"
    for match in WORD_OR_NUMBER.finditer(text):
        word = match.group()
        if word.isdecimal():
            slot = Slot(shape_of(word), f"{type_}:{canonical(type_, original or text)}:{match.start()}")
        elif folded(word) in DOT_WORDS:
            continue
        else:
            slot = Slot(
                Shape("handle", form_of(word.lower()[:3]), locale, kind),
                f"handle:{folded(word)}",
                written_like(word),
            )
            kind = "family"
        pieces += [text[position : match.start()], slot]
        position = match.end()
    return [*pieces, text[position:]]


def host_name(host: str, language: str | None) -> Template:
    """A host name: labels that everybody uses and the top-level domain stay."""
    labels = host.split(".")
    top = labels[-1].lower()
    country = len(top) == 2 and top.isalpha()
    public = int(len(labels) > 1 and top.isalpha())
    if public and not country and top not in TOP_LEVELS:
        labels[-1] = written_like(labels[-1])("net")
    if country and len(labels) > 2 and labels[-2].lower() in SECOND_LEVELS:
        public = 2
    pieces: Template = []
    for place, label in enumerate(labels):
        kept = place >= len(labels) - public or label.lower() in PUBLIC_LABELS
        pieces += [label] if kept else _label(label, language)
        pieces.append(".")
    return pieces[:-1]


def _label(label: str, language: str | None) -> Template:
    """A part of a host's name, its words and its numbers."""
    pieces, position, locale = [], 0, locale_of(language, "")
    for match in WORD_OR_NUMBER.finditer(label):
        word = match.group()
        shape = shape_of(word) if word.isdecimal() else Shape("handle", "aaa", locale)
        slot = Slot(shape, f"host:{folded(word)}", written_like(word))
        pieces += [label[position : match.start()], slot]
        position = match.end()
    return [*pieces, label[position:]]


def _spelled_host(text: str, language: str | None, original: str) -> Template:
    """`gmail dot com`: the provider and what follows its last dot stay."""
    names = [m for m in WORD.finditer(text) if folded(m.group()) not in DOT_WORDS]
    host = ".".join(folded(m.group()) for m in names)
    if host in PROVIDERS or not names:
        return [text]
    pieces, position = [], 0
    for match in names[:-1] or names:
        label = match.group()
        slot = Slot(
            Shape("handle", "aaa", locale_of(language, "")), f"host:{folded(label)}", written_like(label)
        )
        pieces += [text[position : match.start()], slot]
        position = match.end()
    return [*pieces, text[position:]]


def username(type_: str, original: str, language: str | None) -> Template:
    return handles(type_, visible(original), language, original)


def page(type_: str, original: str, language: str | None) -> Template:
    """A page of somebody: the site stays when anybody has a page there."""
    match = re.match(r"(?i)((?:[a-z][a-z0-9+.-]{0,20}:)?//)?([^/?#]*)", original)
    scheme, rest = match.group(1) or "", original[match.end() :]
    account, at, host = match.group(2).rpartition("@")
    site = ".".join(host.lower().split(":")[0].split(".")[-2:])
    if site in SITES or host.lower() in SITES:
        kept: Template = (
            [host] if site in ("x.com",) or host.count(".") < 2 else _host_of_site(host, site, language)
        )
    else:
        kept = _server(host, language)
    pieces, position = [], 0
    for word in WORD_OR_NUMBER.finditer(rest):
        if folded(word.group()) in PATH_WORDS:
            continue
        pieces += [
            rest[position : word.start()],
            *handles(type_, word.group(), language, f"{original}{word.start()}"),
        ]
        position = word.end()
    return [scheme, *_login(account, language), at, *kept, *pieces, rest[position:]]


def _host_of_site(host: str, site: str, language: str | None) -> Template:
    """`harriet.github.io`: what stands before the site is a name."""
    return [*host_name(host[: -len(site) - 1] + ".com", language)[:-2], f".{site}"]


def authority(host: str, language: str | None) -> Template:
    """A host by name or by number."""
    if host.lower() in ("localhost", ""):
        return [host]
    if host[0] == "[" and host[-1] == "]":
        return ["[", *authority(host[1:-1], language), "]"]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host_name(host, language)
    return network_address("ip_address", host, language)


def credentials(type_: str, original: str, language: str | None) -> Template:
    """scheme://user:password@host; what follows the host is not of this detail (surrogates.py splits it off)."""
    scheme, mark, rest = original.partition("://")
    account, at, host = rest.rpartition("@")
    return [scheme, mark, *_login(account, language), at, *_server(host, language)]


def _login(account: str, language: str | None) -> Template:
    """`user:password`, or the user alone."""
    user, colon, password = account.partition(":")
    return [*handles("username", user, language), colon, *_escaped_secret(password)]


def _escaped_secret(password: str) -> Template:
    """A password in an address, where `%40` is one character and stays."""
    return [
        part if number % 2 else Slot(shape_of(part), f"password:{password}:{number}")
        for number, part in enumerate(re.split(r"(%[0-9A-Fa-f]{2})", password))
        if part
    ]


def _server(host: str, language: str | None) -> Template:
    """`tcp:db.example.com,1433`: the protocol and the port stay."""
    match = re.fullmatch(r"((?:tcp|np|lpc|unix):)?(.*?)([:,]\d{1,5})?", host, re.DOTALL)
    return [match.group(1) or "", *authority(match.group(2), language), match.group(3) or ""]


def connection(type_: str, original: str, language: str | None) -> Template:
    """`Server=…;User Id=…;Password=…`, or an address with settings behind it: what names a host or an account, or proves
    one, is drawn."""
    start: Template = []
    rest = original
    if address := re.match(r"(?:[A-Za-z][\w+.-]{0,30}:){1,3}//[^/?#;\s]{1,600}", original):
        start, rest = credentials(type_, address.group(), language), original[address.end() :]
    pieces = settings(rest, language)
    if not start and len(pieces) == 1:
        return plain(type_, original, language)
    return [*start, *pieces]


def settings(text: str, language: str | None) -> Template:
    """`key=value` pairs: the values of keys that name a host or an account, or prove one, are drawn."""
    pieces, position = [], 0
    for match in _SETTING.finditer(text):
        end = _END_OF_SETTING.search(text, match.end()).start()
        value, key = text[match.end() : end], match.group(1).lower()
        if not value:
            continue
        if key in ("server", "host", "data source", "addr", "address"):
            drawn = _server(value, language)
        elif key.startswith("user") or key in ("uid", "accountname"):
            drawn = handles("username", value, language)
        else:
            drawn = _escaped_secret(value)
        pieces += [text[position : match.end()], *drawn]
        position = end
    return [*pieces, text[position:]]


def split_address(url: str) -> tuple[str, str]:
    """(scheme, credentials and host; the rest) of an address with credentials."""
    start = url.index("://") + 3
    stop = next((place for place in range(start, len(url)) if url[place] in "/?#"), len(url))
    host = url.rfind("@", start, stop) + 1 or start
    end = next((place for place in range(host, len(url)) if url[place] in ":/?#"), len(url))
    if url[host : host + 1] == "[":  # an IPv6 address
        end = url.find("]", host) + 1 or len(url)
    return url[:end], url[end:]
