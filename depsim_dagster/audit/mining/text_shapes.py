"""Length and format of an answer's text, as a closed vocabulary. Nothing of the text itself."""

from __future__ import annotations

import json
import re

READ = 50_000  # characters of a text that are looked at
# One character of Chinese or Japanese counts as a word: these scripts put no space between words.
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+(?:'[^\W{_IDEOGRAPHS}]+)?")
_BUCKETS = (
    (3, "at most 3 words"),
    (20, "4 to 20 words"),
    (100, "21 to 100 words"),
    (300, "101 to 300 words"),
)
# Every repetition is bounded or can match in one way only: a hostile text must not take longer than another.
_LINES = {
    "a bulleted list": re.compile(r"^[ \t]{0,12}[-*•] +\S", re.MULTILINE),
    "a numbered list": re.compile(r"^[ \t]{0,12}\d{1,3}[.)] +\S", re.MULTILINE),
    "a heading": re.compile(r"^#{1,6} +\S", re.MULTILINE),
    "a table": re.compile(r"^[ \t]{0,12}\|[^\n]{1,1000}\|[ \t]{0,12}$", re.MULTILINE),
    "a quotation block": re.compile(r"^> +\S", re.MULTILINE),
    "bold text": re.compile(r"\*\*\S[^*\n]{0,300}\*\*"),
    "code in a line": re.compile(r"(?<!`)`[^`\n]{1,200}`(?!`)"),
    "LaTeX": re.compile(r"\$\$|\\\(|\\\[|\\frac|\\begin\{|(?<![\w$])\$[^$\n]{1,100}\\\w+[^$\n]{0,100}\$"),
    "a link": re.compile(r"https?://|\]\([^)\s]{1,500}\)"),
    "an emoji": re.compile("[\U0001f300-\U0001faff\u2600-\u26ff\u2705\u2728\u274c]"),
    "an HTML tag": re.compile(r"</?(?:p|div|br|b|i|a|span|table|ul|li|h[1-6])\b[^>]{0,200}>", re.IGNORECASE),
    "an exclamation mark": re.compile(r"[!！]"),
    "a separating line": re.compile(r"^(?:-{3,}|\*{3,}|_{3,})[ \t]{0,12}$", re.MULTILINE),
}
_APOLOGY = re.compile(
    r"\W*(?:I(?:'m| am) (?:so |very |truly )?sorry|sorry|(?:my |I )?apolog|lo siento|disculp|perdón|es tut mir leid|entschuldig|"
    r"désolé|je suis désolé|pardon|desculp|sinto muito|抱歉|对不起|申し訳)",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\s*[\[(][\w ]{1,30}[\])]\.?(?:\s|$)")
_SCRIPTS = {
    "Chinese or Japanese": re.compile(rf"[{_IDEOGRAPHS}]"),
    "Cyrillic": re.compile("[\u0400-\u04ff]"),
    "Arabic": re.compile("[\u0600-\u06ff]"),
    "Hangul": re.compile("[\uac00-\ud7af]"),
    "Devanagari": re.compile("[\u0900-\u097f]"),
    "Greek": re.compile("[\u0370-\u03ff]"),
    "Hebrew": re.compile("[\u0590-\u05ff]"),
    "Thai": re.compile("[\u0e00-\u0e7f]"),
}
_LETTERS_LOOKED_AT = 2_000


def length_feature(text: str, what: str) -> str:
    """The length bucket of a text, in words; `what` is what the text is."""
    words = len(WORD.findall(text[:READ]))
    bucket = next((name for most, name in _BUCKETS if words <= most), "over 300 words")
    return f"{what} of {bucket}" if words else f"{what} without a word"


def format_features(text: str) -> list[str]:
    """The kinds of markup and of openings and ends that the answer shows."""
    text = text[:READ]
    stripped = text.strip()
    if not stripped:
        return []
    found = [f"has {name}" for name, pattern in _LINES.items() if pattern.search(text)]
    if "```" in text or "~~~" in text:
        found.append("has a code fence")
        if stripped.startswith("```"):
            found.append("opens with a code fence")
    if _is_json(stripped):
        found.append("is JSON and nothing else")
    if stripped.endswith(("?", "？")):
        found.append("ends with a question")
    elif stripped[-1].isalnum() and len(stripped) > 200:
        found.append("ends in the middle of a sentence")
    if _APOLOGY.match(stripped.replace("’", "'")):
        found.append("opens with an apology")
    if _BRACKETED.match(stripped):
        found.append("opens with a bracketed word")
    if stripped.count("\n\n") >= 3:
        found.append("has four paragraphs or more")
    sample = stripped[:_LETTERS_LOOKED_AT]
    # Most answers are in Latin letters; a text without others is not looked at again.
    if not sample.isascii():
        letters = sum(character.isalpha() for character in sample)
        found += [
            f"is mostly in {name} script"
            for name, pattern in _SCRIPTS.items()
            if 2 * len(pattern.findall(sample)) > letters
        ]
    if len(stripped) > 20 and stripped.upper() == stripped and stripped.lower() != stripped:
        found.append("is all in capitals")
    return found


def _is_json(text: str) -> bool:
    if text[0] not in "{[" or text[-1] not in "}]":
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
