"""Credentials: vendors' keys by their prefixes, tokens, private keys, passwords and connection strings in their context.

A placeholder (`your-api-key`, `xxxx`, `<token>`, `${VAR}`) is none, and neither is a word: where only the context
speaks, the value must look drawn at random.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detection.labels import LabelTable

_B, _A = r"(?<![A-Za-z0-9_-])", r"(?![A-Za-z0-9])"
# What the vendors document. Each begins with letters that `_PREFIXES` looks for in one pass.
_VENDORS = re.compile(
    _B + r"(?:"
    r"sk-(?:ant-|proj-|or-v1-|svcacct-|lf-)?[A-Za-z0-9_-]{16,255}"
    r"|[spr]k_(?:live|test|prod)_[A-Za-z0-9]{10,255}|whsec_[A-Za-z0-9]{16,255}"
    r"|gh[pousr]_[A-Za-z0-9_]{16,255}|github_pat_[A-Za-z0-9_]{16,255}|gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent"
    r"|soat)-[A-Za-z0-9_-]{16,255}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,255}|xapp-\d-[A-Za-z0-9-]{10,255}"
    r"|(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{12,17}"
    r"|AIza[A-Za-z0-9_-]{30,40}|ya29\.[A-Za-z0-9_-]{20,500}|GOCSPX-[A-Za-z0-9_-]{20,60}"
    r"|1//0[A-Za-z0-9_-]{30,200}"
    r"|SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{20,70}|key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}"
    r"|(?:AC|SK)[0-9a-f]{32}"
    r"|hf_[A-Za-z0-9]{20,60}|npm_[A-Za-z0-9]{30,60}|pypi-[A-Za-z0-9_-]{50,255}"
    r"|dckr_pat_[A-Za-z0-9_-]{20,60}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{20,60}"
    r"|EAA[A-Za-z0-9]{30,255}|sq0[a-z]{3}-[A-Za-z0-9_-]{20,60}|EAAA[A-Za-z0-9_-]{40,80}"
    r"|access_token\$[a-z]+\$[0-9a-z]{10,}\$[0-9a-f]{20,}"
    r"|dop_v1_[0-9a-f]{40,70}|do[or]_v1_[0-9a-f]{40,70}|dp\.(?:pt|st|ct|sa|scim"
    r"|audit)\.[A-Za-z0-9._-]{30,80}|lin_(?:api|oauth)_[A-Za-z0-9]{30,60}|figd_[A-Za-z0-9_-]{30,60}"
    r"|ntn_[A-Za-z0-9]{30,60}|secret_[A-Za-z0-9]{36,60}|pat[A-Za-z0-9]{14}\.[0-9a-f]{50,70}"
    r"|rnd_[A-Za-z0-9]{20,50}|sntrys_[A-Za-z0-9=_-]{30,255}|gsk_[A-Za-z0-9]{20,80}"
    r"|xai-[A-Za-z0-9]{30,120}|r8_[A-Za-z0-9]{30,60}|pplx-[A-Za-z0-9]{30,80}|co-[A-Za-z0-9]{36,50}"
    r"|tvly-[A-Za-z0-9_-]{20,60}|AGE-SECRET-KEY-1[A-Z0-9]{50,70}"
    r"|hv[sbr]\.[A-Za-z0-9_-]{20,200}|atlasv1\.[A-Za-z0-9_-]{20,100}|NRAK-[A-Z0-9]{20,40}"
    r"|NRJS-[0-9a-f]{10,40}|glsa_[A-Za-z0-9_]{30,60}|glc_[A-Za-z0-9+/=]{30,255}|PMAK-[0-9a-f-]{40,80}"
    r"|rubygems_[0-9a-f]{40,60}|sbp_[0-9a-f]{30,60}|pscale_[a-z]+_[A-Za-z0-9_.-]{30,70}"
    r"|eyJrIjoi[A-Za-z0-9+/=]{30,400}|AKCp[A-Za-z0-9]{40,100}|dapi[0-9a-f]{32}(?:-\d)?"
    r"|FwoGZXIvYXdz[A-Za-z0-9+/=]{50,1000}|ATATT3[A-Za-z0-9_=-]{50,300}|ATCTT3[A-Za-z0-9_=-]{50,300}"
    r"|cfat_[A-Za-z0-9]{20,60}|vercel_[A-Za-z0-9]{20,60}|CFPAT-[A-Za-z0-9_-]{20,60}"
    r"|ops_eyJ[A-Za-z0-9_-]{50,800}|\d{8,10}:AA[A-Za-z0-9_-]{32,35}"
    r"|[MNO][A-Za-z\d_-]{23,25}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,38}"
    r")" + _A
)
_PREFIXES = re.compile(
    r"sk-|[spr]k_|whsec_|gh[pousr]_|github_pat|gl[a-z]{2,5}-|xox|xapp-|A[A-Z]{3}[A-Z0-9]{12}|AIza|ya29"
    r"|GOCSPX|1//0|SG\.|key-|-us\d|(?:AC|SK)[0-9a-f]{8}|hf_|npm_|pypi-|dckr_|shp[a-z]{2}_|EAA|sq0"
    r"|access_token\$"
    r"|_v1_|dp\.|lin_|figd_|ntn_|secret_|pat[A-Z]|rnd_|sntrys_|gsk_|xai-|r8_|pplx-|co-|tvly-|AGE-"
    r"|hv[sbr]\.|atlasv1|NRAK|NRJS|gls?[ac]_|PMAK|rubygems_|sbp_|pscale_|eyJ|AKCp|dapi|FwoG|AT[AC]TT"
    r"|cfat_|vercel_|CFPAT|ops_|:AA|[MNO][A-Za-z\d_-]{23}"
)
_FIXED = frozenset("AKIA ASIA ABIA ACCA AROA AIDA AGPA ANPA AIza".split())
_LONG_WORD = re.compile(r"[A-Za-z0-9_.$/-]{20}")
_JWT = re.compile(
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{4,4000}(?:\.[A-Za-z0-9_-]{4,1000})?"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]{0,12000}?(?:-----END [A-Z0-9"
    r" ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
)
_PRIVATE_KEY_OPEN = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:\s{0,4}[A-Za-z0-9+/=]{16,100}){0,200}"
)
_BEARER = re.compile(
    r"\b(?:bearer|basic|token|apikey|digest)[ :]{1,3}([A-Za-z0-9._~+/-]{12,3000}={0,2})", re.IGNORECASE
)
_CONNECTION = re.compile(
    r"(?<![\w])(?:(?:server|data source|host|hostname|user id|uid|user|username|database|initial catalog"
    r"|port|driver|provider|defaultendpointsprotocol|endpoint|accountname|accountkey|sharedaccesskeyname"
    r"|sharedaccesskey|password|pwd|endpointsuffix|encrypt|trustservercertificate|integrated security|ssl"
    r" mode|sslmode|entitypath|connection timeout|persist security info|multipleactiveresultsets)"
    r"\s{0,2}=\s{0,2}[^;\n]{0,300}(?:;\s{0,2}|(?=\s|$))){3,20}",
    re.IGNORECASE,
)
_CONNECTION_SECRET = re.compile(
    r"(?:password|pwd|accountkey|sharedaccesskey)\s{0,2}=\s{0,2}[^;\s]", re.IGNORECASE
)
_LIBPQ = re.compile(
    r"(?<![\w])(?:(?:host|hostaddr|port|dbname|user|password|sslmode|connect_timeout|options"
    r"|application_name)=[^\s'\"]{1,100}[ ]?){3,12}",
    re.IGNORECASE,
)
_JDBC = re.compile(
    r"(?<![\w])jdbc:[a-z0-9:]{2,30}://[^\s\"'<>]{3,300}[?&;](?:password|pwd)=[^\s\"'<>]{3,200}", re.IGNORECASE
)
_DSN = re.compile(
    r"(?<![\w])(?:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|redis|rediss|amqps?|mssql|oracle|ftp"
    r"|sftp|smb|ldap|jdbc:[a-z]+)://[^\s/:@\"']{1,128}:[^\s@\"']{1,128}@[^\s\"'`<>]{1,300}",
    re.IGNORECASE,
)
_COOKIE = re.compile(
    r"(?<![\w])(?:set-)?cookie\s?[:=]\s?[\"']?([A-Za-z0-9_.-]{1,60}=[^\n\"'<>]{6,1500})", re.IGNORECASE
)

_SECRET_LABELS = LabelTable(
    {
        "api_key": """
            api (key|token|secret|keys) [id|is]; apikey; x api key; (secret|access|auth|authentication|
            authorization|bearer|refresh|session|client|service|private|signing|encryption|master|license|
            deploy|webhook|app|consumer|subscription|account|shared access|storage|admin|oauth|id|csrf|
            csrftoken|github|gitlab|slack|openai|stripe|aws|azure|google|npm|personal access) (key|token|
            secret|keys|tokens|secret key|access key|api key|access token) [id]
            (token|secret|credential|credentials|jwt|sessionid|session id|nonce|signature|hmac);
            (schlüssel|zugriffsschlüssel|zugangsschlüssel); (clé|clef) (api|d api|secrète|d accès);
            (clave|llave) (api|de api|secreta|de acceso); chiave (api|segreta|di accesso); chave (api|
            de api|da api|secreta|de acesso); (api sleutel|sleutel); klucz (api|dostępu); api nyckel;
            ключ [api|доступа]; токен; anahtar*
        """,
        "password": """
            password [is|hint]; passwords; passwd; passwort; pwd; pass; passphrase; passcode; pw; psw;
            (wifi|wi fi|wlan|wpa|wpa2|network|login|root|admin|user|db|database|sudo|email|master|
            temporary|temp|default|new|old|current|account) (password|pass|pwd|pw|passwd|key);
            userpassword; dbpassword; credentials
            kennwort; passwort*; losungswort; zugangsdaten; mot de passe; mdp; contraseña; contrasena;
            clave [de acceso|secreta]; senha; palavra passe; wachtwoord; hasło; hasłem; hasla; lösenord*;
            passord; adgangskode; kodeord; salasana; пароль; паролем; пароля; şifre*; parola; parol*;
            heslo; jelszó; पासवर्ड; كلمة (المرور|السر); סיסמה; סיסמא
            (security|recovery|seed|secret) (answer|phrase|word|code); mnemonic
        """,
    }
)
_UNSPACED_SECRETS = re.compile(
    r"(?:密码|密碼|口令|パスワード|暗証番号|비밀번호|패스워드|암호|密钥|令牌|APIキー|トークン|토큰)(?:是|为|為|は|が|는|은|:|：|=|\s|\"|'"
    r"|「)*([!-~]{4,100})"
)
_ASSIGN = re.compile(
    r"(?P<quote_before>[\"'`*_)\]]{0,3})\s{0,3}(?P<sign>[:=]{1,3}|->|=>|→|–|-(?= )|\bis\b|\bwas\b|\bto\b"
    r"|\bist\b|\bes\b|\best\b|\bè\b|\bé\b|\bjest\b|\bär\b|\ber\b|\bon\b|\bolarak\b|это|है|هي"
    r"|هو)?(?:\s{0,2}(?:is|now|set to|still|currently|:|ist|es|est))?[ \t]{0,3}\n?["
    r" \t]{0,3}(?P<quote>[\"'`«“„*]{0,3})"
)
_VALUE = re.compile(r"[^\s\"'`,;<>(){}\[\]«»“”]{4,500}|[^\s\"'`<>«»“”]{4,500}")
_QUOTED = re.compile(r"[^\"'`\n«»“”]{4,300}(?=[\"'`»”])")
_PLACEHOLDER = re.compile(
    r"^[<\[{$%(]|^\w+=|^your|^my[-_ ]|^the[-_]|^insert|^enter|^replace|^change[-_]?me|^example|^sample"
    r"|^dummy|^fake|^test(?:ing)?$|^todo|^none|^null|^true$|^false$|^undefined|^xxx|^\*+$|^\.+$|^x+$|^-+$"
    r"|^_+$|^#+$"
    r"|^abc(?:123)?$|^(?:os|process|env|config|self|this|settings|request|req|args|options|params|params"
    r"|input|data|props|state|ctx|user|form|os\.environ|getenv|System|Environment|Secrets?)\b[.\[(]"
    r"|\.\.\.|…|here$|placeholder|^string$|^str$|^int$|^bool$|^text$|^varchar|^required|^optional|^hidden"
    r"|^field"
    r"|_here|-here|api[-_]?key$|[-_]token$|[-_]secret$|[-_]key$|^password$|^passwd$|^secret$|^token$"
    r"|^\w+\(|^\w+\[|^process\.env|^\w+\.\w+\(",
    re.IGNORECASE,
)


def find_secrets(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Keys, tokens, passwords, private keys, connection strings."""
    text = chat.text
    if chat.longest_word >= 20 and _LONG_WORD.search(text) and _PREFIXES.search(text):
        for match in _VENDORS.finditer(text):
            if _is_drawn(match.group()):
                yield IdentifierSpan("api_key", *match.span())
        if "eyJ" in text:
            for match in _JWT.finditer(text):
                yield IdentifierSpan("api_key", *match.span())
    if "PRIVATE KEY" in text:
        for pattern in (_PRIVATE_KEY, _PRIVATE_KEY_OPEN):
            for match in pattern.finditer(text):
                if re.search(r"[A-Za-z0-9+/=]{20}", match.group()[20:-20]):
                    yield IdentifierSpan("private_key", *match.span())
    if "://" in text and "@" in text:
        for match in _DSN.finditer(text):
            if not _PLACEHOLDER.search(match.group().split("://", 1)[1].split(":", 1)[1]):
                yield IdentifierSpan("url_with_credentials", *match.span())
    if "=" in text and chat.has_any(_PASSWORD_KEYS):
        for pattern in (_LIBPQ, _JDBC):
            for match in pattern.finditer(text):
                if re.search(r"(?:password|pwd)=[^<{$*]", match.group(), re.IGNORECASE):
                    yield IdentifierSpan(
                        "connection_string", match.start(), match.start() + len(match.group().rstrip())
                    )
    if ";" in text and "=" in text and _CONNECTION_SECRET.search(text):
        for match in _CONNECTION.finditer(text):
            if _CONNECTION_SECRET.search(match.group()) and not re.search(r"=\s?[<{$*\[]", match.group()):
                yield IdentifierSpan(
                    "connection_string", match.start(), match.start() + len(match.group().rstrip("; "))
                )
    if chat.has_any(_BEARER_WORDS):
        for match in _BEARER.finditer(text):
            if _is_random(match.group(1)) and not _PLACEHOLDER.search(match.group(1)):
                yield IdentifierSpan("api_key", *match.span(1))
    if "cookie" in chat.words:
        for match in _COOKIE.finditer(text):
            if re.search(r"=[A-Za-z0-9%._-]{6,}", match.group(1)) and re.search(r"\d", match.group(1)):
                yield IdentifierSpan("api_key", *match.span(1))
    named: list[int] = []
    for label in _SECRET_LABELS.find(chat):
        if not _EXPANDED.search(text, max(0, label.start - 2), label.start):
            yield from _assigned(text, label.kind, label.end)
        if label.kind == "password":
            named.append(label.end)
    for place in named[:_MOST_NAMED]:
        for match in _DRAWN_WORD.finditer(text, max(0, place - 60), min(len(text), place + 110)):
            if _looks_like_password(match.group()):
                yield IdentifierSpan("password", *match.span())
    if chat.unspaced or chat.hangul:
        for match in _UNSPACED_SECRETS.finditer(text):
            if not _PLACEHOLDER.search(match.group(1)):
                yield IdentifierSpan("password", *match.span(1))


_PASSWORD_KEYS = frozenset(("password", "pwd"))
# `$PWD` and `${TOKEN}` stand for their values and are not given one.
_EXPANDED = re.compile(r"\$\{?$")
# Beside the word for it a password is known by its looks: `the old one was kX9#pLw2`.
_MOST_NAMED = 20
_DRAWN_WORD = re.compile(r"(?<![^\s\"'`(:=>|,])[A-Za-z0-9!@#$%^&*+=?~._-]{6,40}(?![^\s\"'`).,;:|<!?])")


def _looks_like_password(value: str) -> bool:
    raw, value = value, value.rstrip(".,;:!?")
    if not value:
        return False
    digits, capitals = sum(map(str.isdigit, value)), sum(map(str.isupper, value))
    small = sum(map(str.islower, value))
    signs = sum(character in "!@#$%^&*+=?~" for character in value[:-1])
    if (
        _PLACEHOLDER.search(value)
        or re.fullmatch(r"v?\d+(?:\.\d+)+|[\d.,:/-]+|[A-Z]{2,5}-?\d{1,4}|\w+@\w+\.\w+", value)
        or "@" in value
        and "." in value
    ):
        return False
    if value[-1] == "!" or raw[-1] == "!":
        signs += 1
    if signs and digits and (capitals or small):
        return len(value) >= 7
    if signs and capitals >= 2 and small >= 2:
        return len(value) >= 8 and not value.istitle()
    # Figures or capitals in the midst of letters, not a word with a number behind it.
    mixed = re.search(r"[a-z][A-Z].*[A-Z][a-z]|\d[A-Za-z]+\d|[a-z]\d+[A-Z]", value) is not None
    return bool(digits and capitals and small and mixed and len(value) >= 8) or (
        capitals >= 3
        and small >= 3
        and len(value) >= 10
        and re.search(r"[A-Z]{2}[a-z]+[A-Z]", value) is not None
        and _entropy(value) > 3
    )


_BEARER_WORDS = frozenset("bearer basic token apikey digest".split())


def _assigned(text: str, kind: str, place: int) -> Iterator[IdentifierSpan]:
    """The value that is given to a secret's name."""
    sign = _ASSIGN.match(text, place, min(len(text), place + 40))
    if sign is None:
        return
    end = min(len(text), sign.end() + 520)
    quoted = bool(sign.group("quote").strip("*"))
    match = (_QUOTED.match(text, sign.end(), end) if quoted else None) or _VALUE.match(text, sign.end(), end)
    if match is None:
        return
    value = match.group().rstrip(".,;:?)*" if not quoted else "")
    value = value.rstrip()
    if len(value) < 4 or _PLACEHOLDER.search(value):
        return
    tight = (sign.group("sign") or "")[:1] in (":", "=", "-", "→", "–")
    said = bool(sign.group("sign")) and not tight
    if kind == "api_key":
        accepted = (
            len(value) >= 12
            and " " not in value
            and _is_random(value)
            and (tight or said or quoted or len(value) >= 20)
        )
    else:
        mixed = _kinds(value) >= 2
        spoken = " " in value
        accepted = not spoken and (
            (mixed and (tight or said or quoted))
            or (mixed and _kinds(value) >= 3)
            or (tight and quoted and len(value) >= 6 and not value.istitle())
        )
        accepted &= not re.fullmatch(r"[A-Z]?[a-z]+(?:['’-][a-z]+){0,3}", value) or (
            quoted and tight and len(value) >= 6
        )
        accepted &= not re.fullmatch(
            r"[a-z_]+(?:\.[a-z_]+)+|[a-z]+_[a-z_]+|[a-z]+(?:[A-Z][a-z]+)+|--?[a-z-]+", value
        )
    if accepted:
        yield IdentifierSpan(kind, match.start(), match.start() + len(value))


def _kinds(value: str) -> int:
    """How many of small letters, capitals, figures and signs a value holds."""
    return sum(
        (
            any(map(str.islower, value)),
            any(map(str.isupper, value)),
            any(map(str.isdigit, value)),
            any(not character.isalnum() for character in value),
        )
    )


def _is_drawn(value: str) -> bool:
    """A vendor's key: `sk-circle-fade-animation` and `sk-xxxxxxxx` have its prefix only."""
    if value[:4] in _FIXED:
        return len(set(value)) > 8
    body = value.split("-", 1)[-1] if "-" in value[:6] else value.split("_", 1)[-1]
    digits = sum(map(str.isdigit, body))
    mixed = any(map(str.isupper, body)) and digits
    return (
        bool(
            mixed
            or digits >= 5
            or (any(map(str.isupper, body)) and any(map(str.islower, body)) and _entropy(body) > 4)
        )
        and len(set(body)) > 4
    )


def _is_random(value: str) -> bool:
    """Whether a value looks drawn: enough entropy, and figures among letters."""
    digits = sum(map(str.isdigit, value))
    letters = sum(map(str.isalpha, value))
    if not letters or (
        digits < 2
        and not (any(map(str.isupper, value[1:])) and any(map(str.islower, value)) and len(value) >= 20)
    ):
        return False
    return _entropy(value) >= min(3.0, 0.75 * math.log2(len(value)))


def _entropy(value: str) -> float:
    """Bits per character."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())
