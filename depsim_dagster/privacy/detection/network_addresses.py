"""E-mail, web and machine addresses: mailboxes, URLs with credentials, profiles, IPv4 and IPv6, MAC.

Private ranges (10/8, 192.168/16 …) count: inside an organisation they name a machine, Safe Harbor makes no exception,
and so does the gate's residual scan. Loopback, masks, multicast and reserved addresses are nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.candidate_checks import host, mailbox
from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan

# Scripts that stand without spaces: a letter of another script beside them begins or ends a word.
UNSPACED = "\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef"

# From the @ outwards, so that a text without one costs a search for it and nothing else.
_LOCAL = re.compile(rf"(?:(?![{UNSPACED}])[\w.+%'-]){{1,64}}\Z|\"[^\"\n@]{{1,64}}\"\Z")
_DOMAIN = re.compile(
    rf"@(?:(?![{UNSPACED}])[\w-]{{1,63}}\.){{1,8}}(?:[A-Za-z]{{2,24}}|xn--[\w-]{{2,59}}"
    rf"|[^\W\d_{UNSPACED}]{{2,24}})"
    rf"(?![\w-]|@)"
    rf"|@[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{0,8}}\.[A-Za-z]{{2,24}}"
    rf"|@\[\d{{1,3}}(?:\.\d{{1,3}}){{3}}\]",
)
_UNSPACED_DOMAIN = re.compile(r"@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[A-Za-z]{2,24}", re.ASCII)
_URL_WITH_CREDENTIALS = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s/:@<>\"']{0,128}:[^\s/@]{1,128}@[^\s<>\"')]{0,500}", re.ASCII
)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)", re.ASCII)
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:"
    r"|:){2,7}(?::?[0-9A-Fa-f]{1,4})?(?:(?<=:)(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])",
    re.ASCII,
)
_MAC = re.compile(
    r"(?<![\w:-])(?:[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}"
    r"|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})"
    r"(?![\w:]|-\w)",
    re.ASCII,
)
# What an address has in its midst: found at its first sign, which is cheaper than to try one everywhere.
_IPV4_PART = re.compile(r"\.\d{1,3}\.", re.ASCII)
_IPV6_PART = re.compile(r":[0-9A-Fa-f]{0,4}:")
_MAC_PART = re.compile(r"[:.-](?:(?<=:)[0-9A-Fa-f]{2}:|(?<=-)[0-9A-Fa-f]{2}-|(?<=\.)[0-9A-Fa-f]{4}\.)")
_PROFILE = re.compile(
    r"(?:https?://)?(?:[a-z]{2,3}\.|www\.|m\.|mobile\.)?(?:linkedin\.com/(?:in|pub)/|facebook\.com/"
    r"|fb\.com/|instagram\.com/"
    r"|twitter\.com/|x\.com/|t\.me/|tiktok\.com/@|snapchat\.com/add/|vk\.com/|xing\.com/profile/"
    r"|threads\.net/@"
    r"|youtube\.com/@|medium\.com/@|keybase\.io/|venmo\.com/(?:u/)?|paypal\.me/|cash\.app/\$|wa\.me/"
    r"|line\.me/|bsky\.app/profile/"
    r"|mastodon\.social/@|soundcloud\.com/|pinterest\.com/|flickr\.com/people/|strava\.com/athletes/"
    r"|calendly\.com/"
    r"|stackoverflow\.com/users/|kaggle\.com/|orcid\.org/|researchgate\.net/profile/|about\.me/|linktr\.ee/)"
    r"(?!(?:share|sharer|intent|home|login|explore|search|hashtag|docs|help|about|policy|policies|legal|p"
    r"|watch|groups"
    r"|events|pages|jobs|company|settings|messages|i|plugins|dialog|tr)(?:[/?.#\s]|$))"
    r"[\w.%@+~-]{2,60}(?:/[\w.%-]{0,60})?/?",
    re.IGNORECASE,
)
_CODE_PROFILE = re.compile(
    r"(?:https?://)?(?:www\.)?(?:github|gitlab|bitbucket)\.(?:com|org)/(?!(?:about|features|topics"
    r"|explore|search|login|settings|orgs|marketplace|pricing|sponsors|trending|issues|pulls|collections"
    r"|apps)(?:[/?#\s]|$))[A-Za-z0-9][\w-]{1,38}/?(?![\w/.-]*/[\w.-])(?=[\s)>\]\"'|,;.!?]|$)",
    re.IGNORECASE,
)
_PROFILE_HOSTS = re.compile(
    "linkedin|facebook|fb\\.com|instagram|twitter|x\\.com|t\\.me|tiktok|snapchat|vk\\.com|xing|threads"
    "|youtube|medium"
    "|keybase|venmo|paypal\\.me|cash\\.app|wa\\.me|line\\.me|bsky|mastodon|soundcloud|pinterest|flickr"
    "|strava|calendly"
    "|stackoverflow|kaggle|orcid|researchgate|about\\.me|linktr"
)
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'`)\]}，。；]{4,300}", re.IGNORECASE)
_OWN_PAGE = re.compile(
    r"(?:my|our|his|her|their|personal|meine?|mon|ma|mi|mio|mia|meu|minha|mijn|min|moja|moje|мой|моя)\s+"
    r"(?:(?:own|personal|new|old|github|gitlab|portfolio|web|home|company|firm|professional"
    r"|persönliche[rns]?|perso|sitio|página|pagina|site)\s+){0,2}"
    r"(?:website|web\s?site|webseite|site|page|homepage|home\s?page|blog|portfolio|profile|profil|perfil"
    r"|profilo|repo|repository|github|gitlab|web|url|link"
    r"|strona|sajt|hemsida|página|pagina|сайт|блог|account|channel)\b[^\n]{0,25}?$",
    re.IGNORECASE,
)
_OWN_PAGE_ZH = re.compile(
    r"(?:我的|个人|個人)(?:网站|主页|博客|ホームページ|サイト|ブログ|サイト)[^\n]{0,6}$"
)
_SECRET_QUERY = re.compile(
    r"[?&#](?:access_?token|token|api_?key|apikey|key|secret|password|passwd|pwd|sig|signature|auth"
    r"|session(?:_?id)?|user(?:name|_?id)?|email|phone)"
    r"=[^&\s]{4,}",
    re.IGNORECASE,
)


def find_network_addresses(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Mailboxes, URLs that say something of a person, IP and MAC addresses."""
    text = chat.text
    if "@" in text:
        yield from _mailboxes(text)
        if "://" in text:
            for match in _URL_WITH_CREDENTIALS.finditer(text):
                yield IdentifierSpan("url_with_credentials", *match.span())
    if "/" in text and "." in text:
        yield from _pages(chat)
    if chat.digits or "::" in text:
        if text.count(".") >= 3 and _IPV4_PART.search(text):
            yield from _hosts(_IPV4, text)
        if text.count(":") >= 2 and _IPV6_PART.search(text):
            yield from _hosts(_IPV6, text)
        if (text.count(":") >= 5 or text.count("-") >= 5 or text.count(".") >= 2) and _MAC_PART.search(text):
            for match in _MAC.finditer(text):
                if match.group().strip("0:-.") and any(map(str.isdigit, match.group())):
                    yield IdentifierSpan("mac_address", *match.span())


def _mailboxes(text: str) -> Iterator[IdentifierSpan]:
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at) or _UNSPACED_DOMAIN.match(text, at)
        local = _LOCAL.search(text, max(0, at - 66), at) if domain else None
        if domain and local:
            start = local.start()
            whole = text[start : domain.end()]
            lead = len(whole) - len(whole.lstrip("./'#=&-"))
            if lowered := whole[lead:].lower().startswith("mailto:"):
                lead += len("mailto:") * lowered
            if mailbox(whole[lead:]) and whole[lead] != "@":
                yield IdentifierSpan("email", start + lead, domain.end())
        at = text.find("@", at + 1)


# Four numbers after one of these are a place in a document, or a version.
_NUMBERED = re.compile(
    r"(?:\b(?:section|sect?|§|figure|fig|table|chapter|clause|paragraph|annex|appendix|step|item|rule|article|release|version|ver"
    r"|build|firmware|abschnitt|kapitel|sección|chapitre|sezione|versie)|§)[.:]?\s{0,2}$",
    re.IGNORECASE,
)


def _hosts(pattern: re.Pattern[str], text: str) -> Iterator[IdentifierSpan]:
    for match in pattern.finditer(text):
        numbered = _NUMBERED.search(text, max(0, match.start() - 16), match.start())
        if not numbered and host(match.group()):
            yield IdentifierSpan("ip_address", *match.span())


def _pages(chat: ChatText) -> Iterator[IdentifierSpan]:
    text = chat.text
    if _PROFILE_HOSTS.search(chat.lower):
        for match in _PROFILE.finditer(text):
            if match.start() == 0 or not (
                text[match.start() - 1].isalnum() or text[match.start() - 1] in "./-_@"
            ):
                yield IdentifierSpan("url", *match.span())
    if "git" in chat.lower or "bitbucket" in chat.lower:
        for match in _CODE_PROFILE.finditer(text):
            yield IdentifierSpan("url", *match.span())
    if "http" in chat.lower or "www." in chat.lower:
        for match in _URL.finditer(text):
            value = match.group().rstrip(".,;:!?*")
            before = text[max(0, match.start() - 70) : match.start()]
            if _OWN_PAGE.search(before) or _OWN_PAGE_ZH.search(before) or _SECRET_QUERY.search(value):
                type_ = "url_with_credentials" if _URL_WITH_CREDENTIALS.match(value) else "url"
                yield IdentifierSpan(type_, match.start(), match.start() + len(value))
