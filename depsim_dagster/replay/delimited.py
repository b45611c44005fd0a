"""Hostile text inside of a request to a model: as data that cannot pose as the request.

It goes in as one line of JSON, between delimiters that carry a digest of that line. In it, angle brackets and their
look-alikes, `&`, line separators, invisible characters and the brackets of control tokens are written as JSON escapes,
so that text inside can neither close the block nor pose as another, and the model sees what a person would not.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

# Characters that could act as a delimiter or a line break, or that a reader does not see: angle brackets with their
# look-alikes, `&`, C1 controls and line separators, zero-width and bidirectional controls, half surrogates, tags and
# variation selectors beyond the emoji's one, of which only a repetition can hide anything. And the bracket that opens
# what is a control token to some model families ([INST], [/INST], [gMASK]): a server may read it as such in any text.
_ESCAPED = re.compile(
    "[<>&\x7f-\x9f\u00ad\u02c2\u02c3\u034f\u061c\u115f\u1160\u1433\u1438\u16b2\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2039\u203a\u2060-\u206f\u2329\u232a\u276c-\u2771\u27e8\u27e9\u3008\u3009\u3164\ud800-\udfff"
    "\ufe00-\ufe0e\ufe64\ufe65\ufeff\uff1c\uff1e\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U00016f3f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U0001d236\U0001d237\U000e0000-\U000e0fff]"
    r"|(?<=\ufe0f)\ufe0f|\[(?=/?g?[A-Z][A-Z0-9_]{2,}\])"
)


def delimited(name: str, document: Any) -> str:
    """A JSON-able document as a block `<name id="…">`."""
    line = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    line = _ESCAPED.sub(lambda found: _json_escape(found.group()), line)
    digest = hashlib.sha256(line.encode()).hexdigest()[:16]
    return f'<{name} id="{digest}">\n{line}\n</{name} id="{digest}">'


def only_object(content: str | None) -> Any:
    """The JSON value that an answer is; None when it is anything else, or answers a key twice.

    Searching an answer for JSON is how a quoted fake answer gets in.
    """
    try:
        return json.loads(content or "", object_pairs_hook=_without_repeated_keys)
    except (ValueError, RecursionError):  # the second for an answer of a hundred thousand brackets
        return None


def _json_escape(character: str) -> str:
    """`\\u003c` for `<`; two escapes for a character beyond the basic plane."""
    return (
        json.dumps(character, ensure_ascii=True)[1:-1]
        if ord(character) > 0x7F
        else f"\\u{ord(character):04x}"
    )


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key is answered twice")
    return dict(pairs)
