"""How many tokens a request has, before a server has counted them.

With the endpoint's `tokenizer` they are counted. Without, UTF-8 bytes are divided by four, which follows the script: of
Latin text four characters are a token, of Cyrillic, Greek, Arabic and Hebrew two, of Chinese, Japanese and Korean about
1.3, as byte-pair tokenizers of this decade have it within some 30 %. Whoever has answers of the model corrects this by
what its server counted (spending.py, plan/study_plan.py). Nothing here reads from a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from depsim_dagster.errors import ConfigurationError

BYTES_PER_TOKEN = 4
Counter = Callable[[str], int]


def utf8_length(text: str) -> int:
    """Bytes of a text in UTF-8; half an emoji, which logs do hold, counts as three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def prompt(body: Mapping[str, Any]) -> dict[str, Any]:
    """What of a request's body the model reads: not its name, nor how it is to be sampled."""
    return {
        key: value for key, value in body.items() if key != "model" and isinstance(value, (str, list, dict))
    }


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Estimated tokens of a request."""
    return tokens_of_value(prompt(body))


def tokens_of_value(value: Any) -> int:
    """Estimated tokens of a value of JSON: its texts and the names of its fields, which come close to what a chat
    template puts around a message."""
    length, waiting = 0, [value]
    while waiting:  # and not by recursion: tools may be nested as deep as somebody likes
        part = waiting.pop()
        if isinstance(part, str):
            length += len(part) if part.isascii() else utf8_length(part)
        elif isinstance(part, dict):
            length += sum(map(len, part))
            waiting.extend(part.values())
        elif isinstance(part, (list, tuple)):
            waiting.extend(part)
        elif part is not None:
            length += 4
    return -(-length // BYTES_PER_TOKEN)


def load_tokenizer(file: Path, where: str) -> Counter:
    """A function that counts the tokens of a text with a tokenizer.json.

    Raises:
        ConfigurationError: the file is none, or the `tokenizers` package is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ConfigurationError(
            f"{where}: counting with it needs tokenizers: pip install 'depsim-dagster[tokenizers]'; without this key "
            "tokens are estimated"
        ) from None
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception:  # the library raises bare exceptions, whose messages quote the file
        raise ConfigurationError(f"{where}: {file} is not there or is no tokenizer.json") from None

    def count(text: str) -> int:
        whole = text.encode("utf-8", "replace").decode("utf-8")
        return len(tokenizer.encode(whole, add_special_tokens=False).ids)

    return count
