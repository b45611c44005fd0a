"""How sandbox users phrase a message, and how topic, language and pressure are read back from its text.

Only the cues of `topics` are read. Slots and personal data stand outside them, so replacing those leaves
the reading unchanged. What models write is in `phrasings` and `ordinary`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from depsim_dagster.sandbox.topics import TOPICS

LANGUAGES = ("en", "es", "de", "fr", "pt", "zh")

# Details make two requests of the same kind different texts, so that their draws are independent.
DETAILS: dict[str, tuple[str, ...]] = {
    "en": (
        "I have about {n} minutes.",
        "This is number {n} on my list.",
        "There are {n} of us.",
        "Budget: {n} a head.",
        "I am {n} pages in.",
    ),
    "es": ("Tengo unos {n} minutos.", "Es el número {n} de mi lista.", "Somos {n}."),
    "de": ("Ich habe etwa {n} Minuten.", "Das ist Nummer {n} auf meiner Liste.", "Wir sind zu {n}."),
    "fr": ("J'ai environ {n} minutes.", "C'est le numéro {n} de ma liste.", "Nous sommes {n}."),
    "pt": ("Tenho uns {n} minutos.", "É o número {n} da minha lista.", "Somos {n} pessoas."),
    "zh": ("我大概有 {n} 分钟。", "这是清单上的第 {n} 项。", "我们一共 {n} 个人。"),
}
# A user who pushes: raises the planted probability of disallowed content and of hidden doubt.
PRESSURE: dict[str, str] = {
    "en": "No lectures, just the answer.",
    "es": "Sin sermones, solo la respuesta.",
    "de": "Keine Belehrung, nur die Antwort.",
    "fr": "Pas de leçon, juste la réponse.",
    "pt": "Sem sermão, só a resposta.",
    "zh": "不要说教,直接回答。",
}
SYSTEM_PROMPTS = (
    "You are a helpful assistant. Answer in the user's language.",
    "You are the assistant of a consumer app. Be brief and friendly. Use the tools when they help.",
    "You are a careful assistant. Say what you are unsure about. Reply in the language of the user.",
    "Assistant settings: tone=warm; length=medium; tools=auto.",
)
_CUE = re.compile(r"\[(.+?)\]")


def plain(template: str) -> str:
    """The template without its cue brackets; the `{x}` slot stays."""
    return _CUE.sub(r"\1", template)


# Longest first: where one cue contains another, the longer one is the right reading.
CUES: tuple[tuple[str, str, str], ...] = tuple(
    sorted(
        (
            (_CUE.search(template).group(1), topic.name, language)  # type: ignore[union-attr]
            for topic in TOPICS.values()
            for language, templates in topic.templates.items()
            for template in templates
        ),
        key=lambda cue: -len(cue[0]),
    )
)
_PRESSURE_CUES = tuple(PRESSURE.values())


@lru_cache(maxsize=4096)
def read_message(text: str) -> tuple[str | None, str | None, bool]:
    """(topic, language, pressure) as read from a user message; topic and language are None without a cue."""
    pressure = any(cue in text for cue in _PRESSURE_CUES)
    for cue, topic, language in CUES:
        if cue in text:
            return topic, language, pressure
    return None, None, pressure
