"""Secrets: keys and tokens of services, private keys. What says whose door it opens stays."""

from __future__ import annotations

import re

from depsim_dagster.privacy.surrogates.shapes import Shape, shape_of
from depsim_dagster.privacy.surrogates.slots import Slot, Template

_KEY_PREFIX = re.compile(
    r"(?:sk-(?:proj|ant|or|svcacct|live|test)-(?:api\d\d-|v1-)?|sk-|[sprw][kh]_(?:live|test)_|whsec_|gh[pousr]_|github_pat_"
    r"|gl(?:pat|dt|rt)-|xox[abeprs]-|xapp-|AKIA|ASIA|AIza|SG\.|hf_|npm_|pypi-|dop_v1_|ya29\.|shp(?:at|ss|ca|pa)_|key-|AC(?=[0-9a-f]{32}$)"
    r"|SK(?=[0-9a-f]{32}$)|lin_api_|sq0[a-z]{3}-|EAA[A-Z]|r8_|nvapi-|gsk_|pplx-|xai-|hvs\.|dckr_pat_|Bearer |Basic |Token )"
)


def key(type_: str, original: str, language: str | None) -> Template:
    """A key: what says whose service it opens stays."""
    if re.fullmatch(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*", original):
        form = ".".join("a" * len(part) for part in original.split("."))
        return [Slot(Shape("json_web_token", form), f"{type_}:{original}")]
    match = _KEY_PREFIX.match(original)
    prefix = match.group() if match else ""
    return [prefix, Slot(shape_of(original[len(prefix) :]), f"{type_}:{original}")]


def private_key(type_: str, original: str, language: str | None) -> Template:
    """The lines around the key stay, and its length."""
    pieces, position = [], 0
    for number, body in enumerate(re.finditer(r"(?:^|(?<=-----))[^-]+(?=-----|$)", original)):
        label = re.fullmatch(r"(?:BEGIN|END) [A-Z0-9 ]{3,40}", body.group())
        if label or not body.group().strip():
            continue
        pieces += [
            original[position : body.start()],
            Slot(shape_of(body.group(), "base64"), f"{type_}:{original}:{number}"),
        ]
        position = body.end()
    return [*pieces, original[position:]]
