"""Personal data that the sandbox plants: invented values with valid check digits, and their sentences.

Every person is made up; hosts are the documentation domains and addresses. Spans are exact, so that
detection can be scored.
"""

from __future__ import annotations

from random import Random

TYPES = ("person", "email", "phone", "card", "iban", "ip", "address", "api_key", "url_credentials")

_FIRST = {
    "en": ("Harriet", "Gordon", "Priya", "Desmond", "Eleanor", "Marcus"),
    "es": ("Lucía", "Álvaro", "Inés", "Joaquín"),
    "de": ("Friederike", "Jürgen", "Anneliese", "Matthias"),
    "fr": ("Élodie", "Thibault", "Margaux", "Étienne"),
    "pt": ("Beatriz", "Thiago", "Luana", "Rodrigo"),
    "zh": ("伟明", "晓梅", "建国", "丽华"),
}
_LAST = {
    "en": ("Whitcombe", "Okonkwo", "Delacroix", "Farnsworth", "Iyer", "MacAllister"),
    "es": ("Gutiérrez", "Villanueva", "Ibáñez", "Carrasco"),
    "de": ("Schönfeld", "Wagenknecht", "Obermaier", "Grünwald"),
    "fr": ("Lefèvre", "Marchand", "Beaulieu", "Garnier"),
    "pt": ("Figueiredo", "Guimarães", "Nascimento", "Queiroz"),
    "zh": ("欧阳", "王", "李", "陈"),
}
_ASCII = {"zh": ("weiming", "xiaomei", "jianguo", "lihua")}
_STREETS = {
    "en": "{n} Marlowe Street, Ashford",
    "es": "Calle de los Olmos {n}, Zaragoza",
    "de": "Lindenstraße {n}, 50674 Köln",
    "fr": "{n} rue des Tilleuls, 69003 Lyon",
    "pt": "Rua das Acácias {n}, Curitiba",
    "zh": "杭州市文三路{n}号",
}
_SENTENCES: dict[str, dict[str, str]] = {
    "person": {
        "en": "My name is {v}.",
        "es": "Me llamo {v}.",
        "de": "Ich heiße {v}.",
        "fr": "Je m'appelle {v}.",
        "pt": "Meu nome é {v}.",
        "zh": "我叫{v}。",
    },
    "email": {
        "en": "You can write to {v}.",
        "es": "Mi correo es {v}.",
        "de": "Meine Adresse ist {v}.",
        "fr": "Mon courriel est {v}.",
        "pt": "Meu e-mail é {v}.",
        "zh": "我的邮箱是 {v} 。",
    },
    "phone": {
        "en": "Call me on {v}.",
        "es": "Mi teléfono es {v}.",
        "de": "Meine Nummer ist {v}.",
        "fr": "Mon numéro est le {v}.",
        "pt": "Meu telefone é {v}.",
        "zh": "我的电话是 {v} 。",
    },
    "card": {
        "en": "The card is {v}.",
        "es": "La tarjeta es {v}.",
        "de": "Die Karte ist {v}.",
        "fr": "La carte est {v}.",
        "pt": "O cartão é {v}.",
        "zh": "卡号是 {v} 。",
    },
    "iban": {
        "en": "My account is {v}.",
        "es": "Mi cuenta es {v}.",
        "de": "Mein Konto ist {v}.",
        "fr": "Mon compte est {v}.",
        "pt": "Minha conta é {v}.",
        "zh": "我的账户是 {v} 。",
    },
    "ip": {"en": "My machine is at {v}.", "es": "Mi equipo está en {v}.", "de": "Mein Rechner ist {v}."},
    "address": {
        "en": "I live at {v}.",
        "es": "Vivo en {v}.",
        "de": "Ich wohne in {v}.",
        "fr": "J'habite au {v}.",
        "pt": "Moro na {v}.",
        "zh": "我住在{v}。",
    },
    "api_key": {"en": "The key is {v} for now."},
    "url_credentials": {"en": "The page is {v} in case you need it."},
}
_ALNUM = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789"
_WEIGHTS = (30, 16, 14, 6, 6, 5, 9, 5, 4)


def luhn_valid(number: str) -> bool:
    """Whether the digits of `number` pass the Luhn check (ISO/IEC 7812-1)."""
    digits = [int(d) for d in reversed(number) if d.isdigit()]
    return sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)) % 10 == 0


def iban_valid(iban: str) -> bool:
    """Whether the check digits of `iban` are right (ISO 13616: the rearranged number is 1 modulo 97)."""
    text = iban.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def person(language: str, random: Random) -> tuple[str, str]:
    """(full name, address part for an e-mail) of an invented person."""
    i = random.randrange(len(_FIRST[language]))
    last = random.choice(_LAST[language])
    first = _FIRST[language][i]
    if language == "zh":
        return last + first, f"{_ASCII['zh'][i]}{random.randint(10, 999)}"
    ascii_name = f"{first}.{last}".lower().encode("ascii", "ignore").decode()
    return f"{first} {last}", f"{ascii_name}{random.randint(1, 99)}"


def make_value(kind: str, language: str, name: str, handle: str, random: Random) -> str:
    """A value of type `kind` for the person (`name`, `handle`)."""
    digits = lambda n: "".join(random.choices("0123456789", k=n))  # noqa: E731
    if kind == "person":
        return name
    if kind == "email":
        return f"{handle}@{random.choice(('mail.example.com', 'example.org', 'post.example.net'))}"
    if kind == "phone":
        return {
            "en": f"+1 (415) 555-{random.randint(100, 199):04d}",
            "es": f"+34 6{digits(2)} {digits(3)} {digits(3)}",
            "de": f"+49 151 {digits(8)}",
            "fr": f"+33 6 {digits(2)} {digits(2)} {digits(2)} {digits(2)}",
            "pt": f"+55 11 9{digits(4)}-{digits(4)}",
            "zh": f"+86 138 {digits(4)} {digits(4)}",
        }[language]
    if kind == "card":
        body = random.choice("45") + digits(14)
        number = next(body + d for d in "0123456789" if luhn_valid(body + d))
        return number if random.random() < 0.5 else " ".join(number[i : i + 4] for i in range(0, 16, 4))
    if kind == "iban":
        country, length = random.choice((("DE", 18), ("ES", 20), ("FR", 23), ("PT", 21)))
        account = digits(length)
        check = 98 - int("".join(str(int(c, 36)) for c in f"{account}{country}00")) % 97
        iban = f"{country}{check:02d}{account}"
        return iban if random.random() < 0.5 else " ".join(iban[i : i + 4] for i in range(0, len(iban), 4))
    if kind == "ip":
        if random.random() < 0.25:
            return f"2001:db8:{random.randrange(1, 65535):x}::{random.randrange(1, 65535):x}"
        return f"{random.choice(('203.0.113', '198.51.100', '192.0.2'))}.{random.randint(1, 254)}"
    if kind == "address":
        return _STREETS[language].replace("{n}", str(random.randint(2, 180)))
    if kind == "api_key":
        prefix, length = random.choice((("sk-proj-", 40), ("ghp_", 36), ("AKIA", 16)))
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" if prefix == "AKIA" else _ALNUM
        return prefix + "".join(random.choices(alphabet, k=length))
    secret = "".join(random.choices(_ALNUM, k=10))
    return f"https://{handle}:{secret}@files.example.net/{random.choice(('inbox', 'share', 'backup'))}"


def sentence(kind: str, language: str, value: str) -> tuple[str, int]:
    """(sentence, offset of the value in it)."""
    template = _SENTENCES[kind].get(language) or _SENTENCES[kind]["en"]
    return template.replace("{v}", value), template.index("{v}")


def pick_kinds(random: Random) -> list[str]:
    """Types of the one to three values that a message reveals, without repeats."""
    return list(dict.fromkeys(random.choices(TYPES, weights=_WEIGHTS, k=random.choice((1, 1, 1, 2, 2, 3)))))
