# ruff: noqa: E501
"""Personal details of one person of a Faker locale, as people write them: valid numbers, usual spellings."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import random
import string
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

from stdnum import luhn, verhoeff

BIRTH_FORMATS = {
    "en_US": ("%m/%d/%Y", "%B %d, %Y", "%b %d %Y", "%Y-%m-%d"),
    "en_GB": ("%d/%m/%Y", "%d %B %Y", "%d-%m-%Y"),
    "en_IN": ("%d/%m/%Y", "%d %b %Y", "%d-%m-%Y"),
    "de_DE": ("%d.%m.%Y", "%d.%m.%y", "{d}. {month} {y}"),
    "fr_FR": ("%d/%m/%Y", "{d} {month} {y}", "%d.%m.%Y"),
    "es_ES": ("%d/%m/%Y", "{d} de {month} de {y}", "%d-%m-%Y"),
    "it_IT": ("%d/%m/%Y", "{d} {month} {y}", "%d.%m.%Y"),
    "pt_BR": ("%d/%m/%Y", "{d} de {month} de {y}"),
    "nl_NL": ("%d-%m-%Y", "{d} {month} {y}"),
    "pl_PL": ("%d.%m.%Y", "{d} {month} {y}", "%Y-%m-%d"),
    "sv_SE": ("%Y-%m-%d", "{d} {month} {y}"),
    "tr_TR": ("%d.%m.%Y", "{d} {month} {y}"),
    "zh_CN": ("{y}年{m}月{d}日", "%Y-%m-%d", "%Y/%m/%d"),
    "ja_JP": ("{y}年{m}月{d}日", "%Y/%m/%d"),
}
MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
    "tr": "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık",
}
CITIES = {
    "en_US": "Tucson,Baton Rouge,Cedar Rapids,Des Moines,San Antonio,Boise,Chattanooga,Fort Wayne,Spokane,Albuquerque",
    "en_GB": "Leicester,Huddersfield,Stoke-on-Trent,Swansea,Aberdeen,Milton Keynes,Bath,Wolverhampton",
    "en_IN": "Pune,Coimbatore,Lucknow,Nagpur,Visakhapatnam,Indore,Kochi",
    "de_DE": "Kassel,Bielefeld,Freiburg im Breisgau,Chemnitz,Bad Homburg,Göttingen,Würzburg,Oldenburg",
    "fr_FR": "Clermont-Ferrand,Le Mans,Besançon,Saint-Étienne,Quimper,Angers,Limoges",
    "es_ES": "Valladolid,Santa Cruz de Tenerife,Gijón,Albacete,Logroño,Las Palmas,Badajoz",
    "it_IT": "Bergamo,Reggio Calabria,Ferrara,Perugia,La Spezia,Catania,Udine",
    "pt_BR": "Florianópolis,Ribeirão Preto,São José dos Campos,Uberlândia,Maceió,Londrina",
    "nl_NL": "Eindhoven,Den Bosch,Zwolle,Apeldoorn,Leeuwarden,Amersfoort",
    "pl_PL": "Bydgoszcz,Rzeszów,Zielona Góra,Białystok,Kielce,Gliwice",
    "sv_SE": "Västerås,Norrköping,Umeå,Jönköping,Karlstad,Borås",
    "tr_TR": "Eskişehir,Gaziantep,Trabzon,Kayseri,Samsun,Diyarbakır",
    "zh_CN": "成都,杭州市,武汉,青岛市,长沙,厦门",
    "ja_JP": "札幌市,名古屋,金沢市,広島市,福岡,仙台市",
}
# Formats of valid numbers: N is 2–9, D any digit.
PHONES = {
    "en_US": (
        "(312) 5NN-DDDD",
        "646-5NN-DDDD",
        "+1 415 5NN DDDD",
        "+1-206-5NN-DDDD",
        "512.5NN.DDDD",
        "3035NNDDDD",
    ),
    "en_GB": ("07911 1DDDDD", "+44 7911 1DDDDD", "020 79DD DDDD", "+44 (0)161 49D DDDD", "079111DDDDD"),
    "en_IN": ("+91 98DDD DDDDD", "98DDDDDDDD", "+91-97DDDDDDDD", "098DDDDDDDD"),
    "de_DE": (
        "0151 2DDDDDDD",
        "+49 151 2DDDDDDD",
        "030 2DDDDDDD",
        "0171/NDDDDDD",
        "+49 (0)89 NDDDDDD",
        "01512DDDDDDD",
    ),
    "fr_FR": ("06 12 DD DD DD", "+33 6 12 DD DD DD", "01 42 DD DD DD", "0612DDDDDD", "06.12.DD.DD.DD"),
    "es_ES": ("612 DDD DDD", "+34 612 DD DD DD", "91 2DD DD DD", "612DDDDDD", "+34 91 2DD DD DD"),
    "it_IT": ("347 DDDDDDD", "+39 347 DDD DDDD", "06 4DDDDDDD", "+39 02 4DDDDDD", "347DDDDDDD"),
    "pt_BR": ("(11) 9NDDD-DDDD", "+55 11 9NDDD-DDDD", "(21) 2NDD-DDDD", "11 9NDDD DDDD", "119NDDDDDDD"),
    "nl_NL": ("06-12DDDDDD", "+31 6 12DDDDDD", "020-6DDDDDD", "06 12 DD DD DD", "0612DDDDDD"),
    "pl_PL": ("512 DDD DDD", "+48 512 DDD DDD", "22 6DD DD DD", "512DDDDDD"),
    "sv_SE": ("070-1DD DD DD", "+46 70 1DD DD DD", "08-5DD DDD DD", "0701DDDDDD"),
    "tr_TR": ("0532 NDD DD DD", "+90 532 NDD DD DD", "0 212 NDD DD DD", "0532NDDDDDD"),
    "zh_CN": ("138DDDDDDDD", "139 DDDD DDDD", "+86 138 DDDD DDDD", "010-6DDDDDDD", "138-DDDD-DDDD"),
    "ja_JP": ("090-1DDD-DDDD", "080-3DDD-DDDD", "03-3DDD-DDDD", "+81 90-1DDD-DDDD"),
}
AT_AND_DOT = {"en": (" at ", " dot "), "de": (" ät ", " punkt "), "fr": (" arobase ", " point ")} | {
    "es": (" arroba ", " punto ")
}
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PROVIDERS = ("gmail.com", "outlook.com", "hotmail.com", "icloud.com", "proton.me")
LOCAL_PROVIDERS = {
    "de_DE": "gmx.de",
    "fr_FR": "orange.fr",
    "it_IT": "libero.it",
    "pl_PL": "wp.pl",
    "zh_CN": "163.com",
} | {
    "ja_JP": "docomo.ne.jp",
    "pt_BR": "uol.com.br",
    "nl_NL": "ziggo.nl",
    "en_GB": "btinternet.co.uk",
}

# Placeholder without its number → type of the detail, where they differ.
TYPES = {
    "first": "person",
    "last": "person",
    "phone_raw": "phone",
    "spelled_phone": "phone",
    "spelled_email": "email",
} | {
    "company": "organisation",
    "city": "place",
    "street": "street_address",
    "address": "street_address",
    "postcode": "postal_code",
    "cred_url": "url_with_credentials",
    "ip": "ip_address",
    "ip6": "ip_address",
    "mac": "mac_address",
    "imei": "device_id",
    "serial": "device_id",
    "vin": "vehicle_id",
    "plate": "vehicle_id",
    "routing": "bank_account",
    "swift": "bank_account",
    "wallet": "crypto_wallet",
    "driver": "driver_licence",
    "mrn": "medical_record",
    "insurance": "medical_record",
    "pro_licence": "licence_number",
    "account": "account_number",
}


class Person:
    """One person's details; every call draws another value, except that mail, user name and name belong together."""

    def __init__(self, locale: str, draw: random.Random):
        self.locale, self.language, self.draw = locale, locale[:2], draw
        self.fake = _faker(locale)
        self.american = _faker("en_US")  # its cards and routing numbers are everybody's
        for fake in (self.american, self.fake):
            fake.seed_instance(draw.getrandbits(32))
        self._first, self._last = self.fake.first_name(), self.fake.last_name()

    def value(self, name: str) -> str:
        """A detail by the name of its placeholder."""
        return str(getattr(self, name)())

    def shaped(self, pattern: str) -> str:
        """N: 2–9, D: digit, A: capital, X: capital or digit, H: hexadecimal."""
        drawn = {
            "N": "23456789",
            "D": string.digits,
            "A": "ABCDEFGHJKLMNPRSTUVWXYZ",
            "X": string.ascii_uppercase + string.digits,
        }
        drawn["H"] = "0123456789abcdef"
        return "".join(self.draw.choice(drawn[c]) if c in drawn else c for c in pattern)

    def token(self, length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
        return "".join(self.draw.choice(alphabet) for _ in range(length))

    def first(self) -> str:
        return self._first

    def last(self) -> str:
        return self._last

    def person(self) -> str:
        if self.language in ("zh", "ja"):
            space = " " if self.language == "ja" and self.draw.random() < 0.4 else ""
            return self._last + space + self._first
        return f"{self._first} {self._last}"

    def company(self) -> str:
        return self.fake.company()

    def city(self) -> str:
        return self.draw.choice(CITIES[self.locale].split(","))

    def street(self) -> str:
        number = self.draw.randint(1, 240)
        if self.locale == "zh_CN":
            return f"{self.city()}{self.fake.district()}区{self.fake.street_name()}{number}号"
        if self.locale == "ja_JP":
            return self.fake.address().split(" ")[0]
        if self.locale == "tr_TR":
            return f"{self.fake.last_name()} Caddesi No: {number}"
        if self.locale == "en_IN":
            return f"{number}, {self.fake.last_name()} {self.draw.choice(('Road', 'Nagar', 'Street'))}"
        if self.locale == "en_US":
            name = self.draw.choice(("Maple", "Oak Hill", "Washington", "5th", "Elm", self.fake.last_name()))
            kind = self.draw.choice(
                ("Street", "St", "Avenue", "Ave", "Road", "Drive", "Ln", "Blvd", "Court", "Way")
            )
            return f"{number * 7} {name} {kind}" + self.draw.choice(
                ("", "", f", Apt {number % 40 + 1}", f" #{number}")
            )
        if self.locale == "en_GB":
            name = self.draw.choice(("Station", "Church", "Victoria", "Mill", self.fake.last_name()))
            return f"{number} {name} {self.draw.choice(('Road', 'Street', 'Lane', 'Close', 'Gardens', 'Terrace'))}"
        if self.locale == "de_DE":
            name = self.draw.choice(("Linden", "Bahnhof", "Goethe", "Schiller", self.fake.last_name()))
            return f"{name}{self.draw.choice(('straße', 'str.', 'weg', 'allee', 'platz'))} {number}{self.draw.choice(('', '', 'a'))}"
        return self.fake.street_address().replace("\n", ", ").strip()

    def postcode(self) -> str:
        if self.locale == "en_GB":
            return f"{self.draw.choice(('LE', 'HD', 'SA', 'MK', 'NP'))}{self.draw.randint(1, 29)} {self.shaped('DAA').replace('C', 'B')}"
        return self.fake.postcode()

    def address(self) -> str:
        street, city, code = self.street(), self.city(), self.postcode()
        if self.language in ("zh", "ja"):
            return street
        if self.locale == "en_US":
            return f"{street}, {city}, {self.fake.state_abbr()} {code}"
        if self.locale in ("en_GB", "en_IN"):
            return f"{street}, {city} {code}"
        if self.locale == "pt_BR":
            return f"{street}, {city}, {code}"
        return f"{street}, {code} {city}"

    def email(self) -> str:
        provider = self.draw.choice(
            (*PROVIDERS, LOCAL_PROVIDERS.get(self.locale, "gmail.com"), self.fake.domain_name())
        )
        return f"{self.username()}@{provider}"

    def username(self) -> str:
        first, last = _ascii(self._first) or "li", _ascii(self._last) or "wang"
        number = self.draw.randint(1, 99)
        forms = (
            f"{first}.{last}",
            f"{first[0]}{last}{number}",
            f"{first}_{last}",
            f"{last}{first}{number}",
            f"{first}{number}x",
        )
        return self.draw.choice(forms)

    def spelled_email(self) -> str:
        at, dot = AT_AND_DOT[self.language]
        return f"{_ascii(self._first)}{dot}{_ascii(self._last)}{at}{self.draw.choice(PROVIDERS).replace('.', dot)}"

    def phone(self) -> str:
        return self.shaped(self.draw.choice(PHONES[self.locale]))

    def phone_raw(self) -> str:
        """Faker's own, which is seldom a number that exists."""
        return self.fake.phone_number()

    def spelled_phone(self) -> str:
        return " ".join(DIGITS[int(digit)] for digit in self.shaped("NDDNDDDDDD"))

    def url(self) -> str:
        site = self.draw.choice(
            ("https://www.linkedin.com/in/", "https://github.com/", "https://x.com/", "facebook.com/")
        )
        return site + self.username().replace(".", "-")

    def cred_url(self) -> str:
        scheme, port = self.draw.choice(
            (("postgresql", 5432), ("mysql", 3306), ("mongodb", 27017), ("redis", 6379), ("amqp", 5672))
        )
        host = self.draw.choice(
            (self.fake.domain_name(), self.ip(), f"db-{self.token(4, string.ascii_lowercase)}.internal")
        )
        return f"{scheme}://{self.username()}:{self.token(14)}@{host}:{port}/{self.draw.choice(('app', 'shop', 'prod'))}"

    def ip(self) -> str:
        return self.draw.choice((self.fake.ipv4_public(), self.fake.ipv4_public(), self.fake.ipv4_private()))

    def ip6(self) -> str:
        return self.draw.choice(
            (
                self.fake.ipv6(),
                self.shaped("2001:db8:85a3::8a2e:HHH:7334"),
                self.shaped("fe80::HHHH:H1ff:feHH:HHHH"),
            )
        )

    def mac(self) -> str:
        return self.draw.choice((self.fake.mac_address(), self.fake.mac_address().upper().replace(":", "-")))

    def imei(self) -> str:
        body = self.shaped("35DDDDDDDDDDDD")
        return body + luhn.calc_check_digit(body)

    def serial(self) -> str:
        return self.draw.choice(
            (self.shaped("C02XXDDXJGHD"), self.shaped("AADDXXXXDD"), self.shaped("SN-DDDDDDDD"))
        )

    def vin(self) -> str:
        return self.fake.vin()

    def plate(self) -> str:
        return self.fake.license_plate()

    def card(self) -> str:
        number = self.american.credit_card_number(self.draw.choice(("visa16", "mastercard", "amex")))
        cut = (0, 4, 8, 12, 16) if len(number) == 16 else (0, 4, 10, 15)
        groups = [number[start:end] for start, end in zip(cut, cut[1:], strict=False)]
        return self.draw.choice(("", " ", "-", " ")).join(groups)

    def iban(self) -> str:
        number = self.fake.iban()
        return (
            number
            if self.draw.random() < 0.5
            else " ".join(number[i : i + 4] for i in range(0, len(number), 4))
        )

    def routing(self) -> str:
        return self.american.aba()

    def bank_account(self) -> str:
        return self.shaped(self.draw.choice(("NDDDDDDD", "NDDDDDDDDD", "NDDDDDDDDDDD")))

    def swift(self) -> str:
        return self.draw.choice(("DEUTDEFF", "BNPAFRPP", "CHASUS33", "BARCGB22", "COBADEFFXXX", "INGBNL2A"))

    def wallet(self) -> str:
        return self.draw.choice((_bitcoin(self.draw), "0x" + self.shaped("H" * 40), _segwit(self.draw)))

    def national_id(self) -> str:
        fake, draw = self.fake, self.draw
        drawn: dict[str, Callable[[], str]] = {
            "en_US": lambda: fake.ssn(),
            "en_GB": lambda: draw.choice((self.shaped("JEDDDDDDC"), self.shaped("PA DD DD DD B"))),
            "en_IN": lambda: draw.choice((_aadhaar(self.shaped("NDDDDDDDDDD")), self.shaped("ABCPADDDDK"))),
            "de_DE": lambda: _steuer_id(draw),
            "fr_FR": lambda: fake.ssn(),
            "es_ES": lambda: _dni(self.shaped("NDDDDDDD")),
            "it_IT": lambda: fake.ssn(),
            "pt_BR": lambda: fake.cpf(),
            "nl_NL": lambda: fake.ssn(),
            "pl_PL": lambda: fake.pesel(),
            "sv_SE": lambda: fake.ssn(),
            "tr_TR": lambda: fake.ssn(),
            "zh_CN": lambda: fake.ssn(),
            "ja_JP": lambda: _my_number(draw),
        }
        return drawn[self.locale]()

    def passport(self) -> str:
        shapes = {
            "en_US": "NDDDDDDDD",
            "en_GB": "NDDDDDDDD",
            "en_IN": "JDDDDDDD",
            "de_DE": "C01XDDHHD",
            "fr_FR": "DDAADDDDD",
        } | {
            "zh_CN": "EDDDDDDDD",
            "ja_JP": "TKDDDDDDD",
            "pt_BR": "FNDDDDDD",
        }
        return self.shaped(shapes.get(self.locale, "AADDDDDDD")).upper()

    def driver(self) -> str:
        return self.draw.choice(
            (
                self.shaped("ADDDDDDD"),
                self.shaped("D-DDD-DDD-DDD").replace("D-", "W-", 1),
                self.shaped("DDDDDDDDD"),
            )
        )

    def mrn(self) -> str:
        return self.draw.choice((self.shaped("NDDDDDD"), self.shaped("MRN-00DDDDD"), self.shaped("ADDDDDD")))

    def insurance(self) -> str:
        return self.draw.choice(
            (self.shaped("ADDDDDDDDD"), self.shaped("XEHDDDDDDDDD"), self.shaped("DDD-DD-DDDDA"))
        )

    def pro_licence(self) -> str:
        return self.draw.choice((self.shaped("RN DDDDDD"), self.shaped("RNDDDDDDD"), self.shaped("NDDDDDD")))

    def account(self) -> str:
        return self.draw.choice(
            (
                self.shaped("NDDDDDDD"),
                self.shaped("KD-DDDDDDD").replace("KD", "CU"),
                self.shaped("NDDDDDDDDD"),
                self.shaped("AADDDDDD"),
            )
        )

    def birth_date(self) -> str:
        return self._date(dt.date(1937, 1, 1) + dt.timedelta(self.draw.randrange(30_000)))

    def date(self) -> str:
        return self._date(dt.date(2024, 1, 1) + dt.timedelta(self.draw.randrange(730)))

    def _date(self, day: dt.date) -> str:
        form = self.draw.choice(BIRTH_FORMATS[self.locale])
        month = MONTHS[self.language].split()[day.month - 1] if self.language in MONTHS else ""
        return (
            day.strftime(form)
            if "%" in form
            else form.format(d=day.day, m=day.month, y=day.year, month=month)
        )

    def age(self) -> str:
        return str(self.draw.randint(90, 104))

    def api_key(self) -> str:
        forms = (
            lambda: "sk-proj-" + self.token(48),
            lambda: "ghp_" + self.token(36),
            lambda: "AKIA" + self.shaped("X" * 16),
            lambda: "AIza" + self.token(35),
            lambda: f"xoxb-{self.shaped('DDDDDDDDDDDD')}-{self.token(24)}",
            lambda: "glpat-" + self.token(20),
            lambda: "sk_live_" + self.token(24),
            lambda: "hf_" + self.token(34),
            lambda: "npm_" + self.token(36),
            lambda: f"SG.{self.token(22)}.{self.token(43)}",
            lambda: "sk-ant-api03-" + self.token(60),
            self._jwt,
        )
        return self.draw.choice(forms)()

    def _jwt(self) -> str:
        def part(text: str) -> str:
            return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

        header, claims = (
            part('{"alg":"HS256","typ":"JWT"}'),
            part(f'{{"sub":"{self.token(12)}","iat":1716239022}}'),
        )
        return f"{header}.{claims}.{self.token(43)}"

    def password(self) -> str:
        return self.draw.choice(
            (
                self.token(12),
                _ascii(self._last).capitalize() + self.shaped("DDDD") + "!",
                self.token(6) + "#" + self.token(4),
            )
        )

    def private_key(self) -> str:
        kind = self.draw.choice(("RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"))
        lines = "\n".join(self.token(64, string.ascii_letters + string.digits + "+/") for _ in range(5))
        return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----"

    def connection_string(self) -> str:
        host, user, secret = self.fake.domain_name(), self.username(), self.token(12)
        return self.draw.choice(
            (
                f"host={host} port=5432 dbname=app user={user} password={secret}",
                f"Server=tcp:{host},1433;Database=app;User Id={user};Password={secret};Encrypt=True;",
                f"jdbc:postgresql://{host}:5432/app?user={user}&password={secret}",
            )
        )


@cache
def _faker(locale: str) -> Any:
    from faker import Faker

    return Faker(locale)


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ł", "l").replace("ı", "i").replace("ß", "ss"))
    return "".join(character for character in plain.lower() if character in string.ascii_lowercase)


def _bitcoin(draw: random.Random) -> str:
    payload = b"\0" + draw.randbytes(20)
    payload += hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, text = int.from_bytes(payload, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = alphabet[rest] + text
    return "1" + text


def _segwit(draw: random.Random) -> str:
    """BIP 173, version 0, 20 bytes."""
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    values = [0] + [draw.randrange(32) for _ in range(32)]
    prefix = [ord(c) >> 5 for c in "bc"] + [0] + [ord(c) & 31 for c in "bc"]
    check = 1
    for value in prefix + values + [0] * 6:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for place, part in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= part if top >> place & 1 else 0
    check ^= 1
    return "bc1" + "".join(
        alphabet[value] for value in values + [check >> 5 * (5 - place) & 31 for place in range(6)]
    )


def _dni(digits: str) -> str:
    return digits + "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23]


def _aadhaar(body: str) -> str:
    number = body + verhoeff.calc_check_digit(body)
    return f"{number[:4]} {number[4:8]} {number[8:]}"


def _steuer_id(draw: random.Random) -> str:
    """Ten digits of which one stands twice, and the check digit of ISO 7064 MOD 11,10."""
    digits = draw.sample("0123456789", 9)
    digits.insert(draw.randrange(2, 9), digits[0])
    if digits[0] == "0":
        digits = ["4" if digit == "0" else "0" if digit == "4" else digit for digit in digits]
    product = 10
    for digit in digits:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    number = "".join(digits) + str((11 - product) % 10)
    return draw.choice((number, f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:]}"))


def _my_number(draw: random.Random) -> str:
    digits = [draw.randrange(10) for _ in range(11)]
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    number = "".join(map(str, digits)) + str(0 if rest <= 1 else 11 - rest)
    return draw.choice((number, f"{number[:4]} {number[4:8]} {number[8:]}"))
