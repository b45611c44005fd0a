"""Invented personal details of every type, in the shapes of many countries, for the canaries.

They share nothing with the surrogates: other pools, no Faker, and a seed that nobody keeps. Numbers that have check
digits have the right ones; python-stdnum judges that. Every person, firm and address is made up.
"""

from __future__ import annotations

import base64
import hashlib
import string
from collections.abc import Callable
from random import Random

from stdnum import bitcoin, iban, imei, luhn
from stdnum.br import cpf
from stdnum.cn import ric
from stdnum.de import idnr
from stdnum.es import dni
from stdnum.fr import nir
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel

LANGUAGES = ("en", "es", "de", "fr", "pt", "it", "nl", "pl", "zh", "ja")

_GIVEN = {
    "en": "Rosalind Desmond Imogen Winston Philippa Tobias Marguerite Alistair Henrietta Leopold Saoirse Malcolm",
    "es": "Ximena Fermín Araceli Evaristo Maribel Joaquín Nuria Wenceslao Itziar Gonzalo Remedios Iñaki",
    "de": "Friederike Lothar Annegret Wolfram Roswitha Eckhard Heidrun Detlef Liesel Gernot Ortrun Burkhard",
    "fr": "Solène Gaspard Clémence Anatole Maëlys Thibault Honorine Aurélien Églantine Fabrice Noémie Yannick",
    "pt": "Jacinta Valdemar Iracema Leandro Marisol Teobaldo Luzia Evandro Conceição Amadeu Graciete Otávio",
    "it": "Ludovica Ettore Ginevra Fulvio Rosalba Ermanno Fiammetta Tullio Ornella Saverio Mirella Gualtiero",
    "nl": "Marijke Floris Annemiek Sjoerd Liesbeth Wouter Hanneke Joost Geertje Maarten Saskia Diederik",
    "pl": "Bożena Zbigniew Halina Przemysław Grażyna Wojciech Jadwiga Kazimierz Wiesława Mirosław Danuta Bogdan",
}
_FAMILY = {
    "en": "Thistlewood Okonjo Pemberton Hargreaves Winterbourne Fairbrother Lockwood Abernathy Colquhoun Ravenscroft",
    "es": "Villanueva Zubizarreta Echeverría Cifuentes Belmonte Lizarraga Montenegro Olazábal Quintanilla Arrieta",
    "de": "Wagenknecht Hohenstein Brinkmann Steinhäuser Rosenkranz Kaltenbach Overbeck Schönfeld Lindemann Tiedemann",
    "fr": "Beauregard Delacourt Vaillancourt Montfaucon Lemaistre Charpentier Desrosiers Bellefontaine Rochefort Guérin",
    "pt": "Figueiredo Vasconcelos Albuquerque Guimarães Cavalcanti Meireles Trindade Bittencourt Sampaio Quadros",
    "it": "Castellani Bevilacqua Montefiore Fioravanti Guidobaldi Santangelo Passalacqua Malaspina Ferrante Tedeschi",
    "nl": "Hoogendoorn Vermeulen Zonneveld Oosterhuis Kuijpers Schouten Brouwer Westerveld Nijland Timmermans",
    "pl": "Wróblewski Kwiatkowski Zawadzki Grabowski Chmielewski Jaworski Tomaszewski Sikorski Borkowski Malinowski",
}
_ONE_WORD = {  # family name, then given name, without a space
    "zh": (
        list("王李张刘陈杨赵黄周吴徐孙"),
        ["志远", "雅静", "建华", "秀英", "子涵", "浩然", "晓燕", "国强", "丽萍", "文博"],
    ),
    "ja": (
        ["佐藤", "高橋", "渡辺", "中村", "小林", "山田", "藤原", "石川", "岡本", "長谷川"],
        ["健太郎", "美咲", "翔平", "陽子", "直樹", "彩花", "和也", "裕子"],
    ),
}
_TOWNS = {
    "en": "Shrewsbury Ipswich Chattanooga Wolverhampton Albuquerque Dunfermline Sacramento Cheltenham",
    "es": "Zaragoza Valladolid Cartagena Salamanca Pamplona Guadalajara Badajoz Murcia",
    "de": "Göttingen Regensburg Osnabrück Würzburg Chemnitz Paderborn Tübingen Bielefeld",
    "fr": "Perpignan Besançon Grenoble Limoges Angers Clermont-Ferrand Mulhouse Rouen",
    "pt": "Curitiba Florianópolis Coimbra Londrina Braga Fortaleza Uberlândia Setúbal",
    "it": "Bergamo Perugia Taranto Ferrara Ravenna Salerno Pescara Trieste",
    "nl": "Eindhoven Groningen Apeldoorn Enschede Zwolle Haarlem Nijmegen Breda",
    "pl": "Bydgoszcz Rzeszów Katowice Szczecin Lublin Olsztyn Gdynia Wrocław",
    "zh": "杭州市 成都市 苏州市 厦门市 青岛市 武汉市",
    "ja": "横浜市 札幌市 京都市 神戸市 仙台市 名古屋市",
}
_STREETS = {
    "en": ("{n} {w} Street, {t}", "{n} {w} Avenue, Apt {m}, {t}", "{n} {w} Road", "{n} {w} Lane, {t} {z}"),
    "es": ("Calle de {w} {n}, {z} {t}", "Avenida {w} {n}, {t}"),
    "de": ("{w}straße {n}, {z} {t}", "{w}weg {n}, {z} {t}"),
    "fr": ("{n} rue de {w}, {z} {t}", "{n} avenue {w}, {z} {t}"),
    "pt": ("Rua {w} {n}, {t}", "Avenida {w}, {n}, {t}"),
    "it": ("Via {w} {n}, {z} {t}", "Piazza {w} {n}, {t}"),
    "nl": ("{w}straat {n}, {z} {t}", "{w}laan {n}, {z} {t}"),
    "pl": ("ul. {w} {n}, {z} {t}", "al. {w} {n}, {z} {t}"),
    "zh": ("{t}文三路{n}号", "{t}解放大街{n}号"),
    "ja": ("{t}中区本町{m}-{m}-{n}", "{t}北区栄町{m}丁目{n}番地"),
}
_STREET_WORDS = {
    "en": "Marlowe Juniper Hawthorn Kingsley Chestnut",
    "es": "Olmos Castaños Cervantes Almendros",
    "de": "Linden Birken Goethe Ahorn",
    "fr": "Tilleuls Lavoisier Verdun Peupliers",
    "pt": "Acácias Bandeirantes Palmeiras Ipiranga",
    "it": "Garibaldi Mazzini Verdi Manzoni",
    "nl": "Beuken Kastanje Wilhelmina Molen",
    "pl": "Lipowa Mickiewicza Ogrodowa Klonowa",
}
# Firms and places have names of their own: what stands of one detail must not count as another that was missed.
_FOUNDERS = {
    "en": "Brackenridge Halloway Stanmore Penhaligon Dunwoody",
    "es": "Larrañaga Peñalver Bustamante Carvajal Urrutia",
    "de": "Riedinger Vollmann Haberkorn Eisenreich Dornbusch",
    "fr": "Lamontagne Grandpré Courcelles Valmont Tavernier",
    "pt": "Magalhães Pimenta Rezende Saraiva Valadares",
    "it": "Barbagallo Colasanti Frescobaldi Mastrangelo Zanetti",
    "nl": "Dijkgraaf Rozendaal Steenbergen Wagenaar Zuiderveld",
    "pl": "Brzeziński Dąbrowiecki Krasnodębski Ostaszewski Zaremba",
    "ja": "三浦 黒沢 松永 大塚",
    "zh": "x",
}
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
}
_FIRMS = {
    "en": ("{f} & {g} Ltd", "{f} Holdings Inc.", "{f} Logistics LLC"),
    "es": ("Construcciones {f} S.L.", "{f} y {g} S.A."),
    "de": ("{f} Maschinenbau GmbH", "{f} & {g} KG"),
    "fr": ("Ateliers {f} SARL", "{f} Conseil SAS"),
    "pt": ("{f} Engenharia Ltda", "Transportes {f} S.A."),
    "it": ("Officine {f} S.r.l.", "{f} e {g} S.p.A."),
    "nl": ("{f} Techniek B.V.", "{f} & {g} B.V."),
    "pl": ("{f} Budownictwo Sp. z o.o.",),
    "zh": ("{t}华信科技有限公司", "{t}恒达贸易有限公司"),
    "ja": ("株式会社{f}製作所", "{f}商事株式会社"),
}
_MOBILES = {
    "en": ("+1 (415) 7##-####", "(312) 6##-####", "+44 7### ######", "+1-646-8##-####", "07### ######"),
    "es": ("+34 6## ### ###",),
    "de": ("+49 151 ########", "0171 #######"),
    "fr": ("+33 6 ## ## ## ##", "06 ## ## ## ##"),
    "pt": ("+55 11 9####-####", "(21) 9####-####"),
    "it": ("+39 34# ### ####",),
    "nl": ("+31 6 ########", "06-########"),
    "pl": ("+48 6## ### ###",),
    "zh": ("+86 138 #### ####", "139########"),
    "ja": ("+81 90-####-####", "090-####-####"),
}
_POSTAL = {
    "en": ("9####", "SW#A #BD", "M#B #TR"),
    "es": ("28###",),
    "de": ("5####",),
    "fr": ("69###",),
    "pt": ("8####-###",),
    "it": ("50###",),
    "nl": ("3### KL",),
    "pl": ("3#-###",),
    "zh": ("31####",),
    "ja": ("23#-####",),
}
_NATIONAL: dict[str, tuple[tuple[str, Callable[[str], bool]], ...]] = {
    "en": (
        ("4##-6#-####", lambda value: "-00-" not in value and not value.endswith("0000")),
        ("AB ## ## ## C", bool),
        ("#### #### ####", lambda value: value[0] not in "01" and aadhaar.is_valid(value)),
    ),
    "es": (("########^", dni.is_valid),),
    "de": (("###########", idnr.is_valid),),
    "fr": (("1 8# 0# 75 ### ### ##", nir.is_valid),),
    "pt": (("###.###.###-##", cpf.is_valid),),
    "nl": (("#########", bsn.is_valid),),
    "pl": (("8#0#1######", pesel.is_valid),),
    "zh": (("11010119##0#1####X", ric.is_valid), ("11010119##0#1#####", ric.is_valid)),
}
_HANDLES = [
    "river",
    "lunar",
    "copper",
    "pixel",
    "willow",
    "ember",
    "quartz",
    "falcon",
    "cedar",
    "marble",
    "velvet",
    "raven",
]
_HOSTS = ("mail.example.com", "post.example.net", "inbox.example.org", "fastpost.co", "kontor-mail.eu")
_SITES = (
    "https://www.linkedin.com/in/{h}",
    "https://github.com/{h}",
    "https://www.facebook.com/{h}",
    "https://{h}.example.net/about-me",
    "https://twitter.com/{h}",
)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def shaped(random: Random, shape: str) -> str:
    """`#` becomes a digit, `^` a capital letter; everything else stays."""
    return "".join(
        random.choice(string.digits)
        if mark == "#"
        else random.choice(string.ascii_uppercase)
        if mark == "^"
        else mark
        for mark in shape
    )


def valid(random: Random, shape: str, check: Callable[[str], bool]) -> str:
    """A value of the shape that passes the check: most have one check digit or two, so a few hundred draws are enough."""
    for _ in range(20_000):
        value = shaped(random, shape)
        if check(value):
            return value
    raise AssertionError(f"no value of the shape {shape} passes its check")


def drawn(random: Random, characters: str, length: int) -> str:
    return "".join(random.choices(characters, k=length))


def _pick(random: Random, words: str) -> str:
    return random.choice(words.split())


def person(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    """A full name, and what of it must not be left: the family name."""
    if language in _ONE_WORD:
        family, given = _ONE_WORD[language]
        name = random.choice(family) + random.choice(given)
        return name, (name,)
    family_name = _pick(random, _FAMILY[language])
    return f"{_pick(random, _GIVEN[language])} {family_name}", (family_name,)


def organisation(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    founders, towns = _FOUNDERS[language].split(), _TOWNS[language].split()
    shape = random.choice(_FIRMS[language])
    firm = shape.format(f=random.choice(founders), g=random.choice(founders), t=towns[0])
    return firm, (firm,)


def place(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(random.choice(_TOWNS[language].split()[1:3]))


def street_address(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    """An address, and what of it must not be left: street and number."""
    address = random.choice(_STREETS[language]).format(
        n=random.randint(11, 189),
        m=random.randint(2, 9),
        w=_pick(random, _STREET_WORDS.get(language, "x")),
        t=random.choice(_TOWNS[language].split()[3:]),
        z=shaped(random, random.choice(_POSTAL[language])),
    )
    return address, (address.split(",")[0],)


def postal_code(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(shaped(random, random.choice(_POSTAL[language])))


def email(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(f"{username(random, language)[0]}@{random.choice(_HOSTS)}")


def spelled_email(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    """As people write it to keep machines from reading it."""
    name, host = email(random, language)[0].replace("_", ".").split("@")
    value = f"{name} at {host}".replace(".", " dot ")
    return value, (f"{name} at".replace(".", " dot "),)


def phone(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(shaped(random, random.choice(_MOBILES[language])))


def username(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    first, second = random.sample(_HANDLES, 2)
    return _whole(f"{first}{random.choice('._')}{second}{random.randint(10, 999)}")


def url(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    handle = username(random, language)[0].replace(".", "-").replace("_", "-")
    return random.choice(_SITES).format(h=handle), (handle,)


def url_with_credentials(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    handle, secret = username(random, language)[0], drawn(random, string.ascii_letters + string.digits, 11)
    scheme = random.choice(("https", "ftp", "http"))
    return f"{scheme}://{handle}:{secret}@files.example.net/{random.choice(('inbox', 'share'))}", (secret,)


def connection_string(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    handle, secret = username(random, language)[0], drawn(random, string.ascii_letters + string.digits, 12)
    return random.choice(
        (
            f"postgresql://{handle}:{secret}@db.example.org:5432/orders",
            f"Server=db.example.org;Database=crm;User Id={handle};Password={secret};",
            f"mongodb+srv://{handle}:{secret}@cluster0.example.net/app",
            f"mysql://{handle}:{secret}@10.20.30.40:3306/shop",
        )
    ), (secret,)


def ip_address(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    if random.random() < 0.3:
        groups = [f"{random.randrange(0x1000, 0x10000):x}" for _ in range(4)]
        return _whole(f"2a02:8{random.randrange(100, 999)}:{':'.join(groups[:2])}::{':'.join(groups[2:])}")
    return _whole(
        f"{random.choice((81, 93, 151, 188, 203))}." + ".".join(str(random.randint(10, 250)) for _ in "123")
    )


def mac_address(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(random.choice(":-").join(drawn(random, "0123456789abcdef", 2) for _ in range(6)))


def device_id(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(valid(random, "35############1", imei.is_valid))


def serial_number(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(shaped(random, "C02^#^##^^#^"))


def vehicle_id(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    """A vehicle identification number with its check character (49 CFR 565)."""
    letters = string.digits + "ABCDEFGHJKLMNPRSTUVWXYZ"
    body = random.choice(("1HG", "WVW", "JT3")) + drawn(random, letters, 5) + "_" + drawn(random, letters, 8)
    values = dict(
        zip(
            "ABCDEFGHJKLMNPRSTUVWXYZ",
            (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9),
            strict=True,
        )
    )
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = sum(
        weight * (int(mark) if mark.isdigit() else values[mark])
        for mark, weight in zip(body, weights, strict=True)
        if mark != "_"
    )
    return _whole(body.replace("_", "0123456789X"[total % 11]))


def plate(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(shaped(random, random.choice(("7^^^###", "B-^^ ####", "^^## ^^^", "####^^^"))))


def card(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    shape = random.choice(
        ("4### #### #### ####", "54##-####-####-####", "4###############", "37## ###### #####")
    )
    return _whole(valid(random, shape, lambda value: luhn.is_valid(value.replace(" ", "").replace("-", ""))))


def iban_number(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    shape = {
        "de": "DE## 5001 0517 #### #### ##",
        "nl": "NL## ABNA #### #### ##",
        "en": "GB## NWBK #### #### #### ##",
        "pt": "PT## 0002 0123 #### #### #### #",
    }.get(language, "DE## 5001 0517 #### #### ##")
    body = shaped(random, shape)
    checked = f"{body[:2]}{iban.calc_check_digits(body)}{body[4:]}"
    return _whole(checked if random.random() < 0.5 else checked.replace(" ", ""))


def account_digits(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(shaped(random, random.choice(("00##########", "########", "##########"))))


def crypto_wallet(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    if random.random() < 0.4:
        return _whole("0x" + drawn(random, "0123456789abcdef", 40))
    payload = b"\0" + random.randbytes(20)
    payload += hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, digits = int.from_bytes(payload, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        digits = _BASE58[rest] + digits
    address = "1" * (len(payload) - len(payload.lstrip(b"\0"))) + digits
    assert bitcoin.is_valid(address)
    return _whole(address)


def national_id(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    if language == "it":
        born = f"{random.randint(60, 99)}{random.choice('ABCDEHLMPRST')}{random.randint(10, 27)}"
        body = f"{shaped(random, '^^^^^^')}{born}H501"
        return _whole(body + codicefiscale.calc_check_digit(body))
    shape, check = random.choice(_NATIONAL.get(language, _NATIONAL["en"]))
    return _whole(valid(random, shape, check))


def passport(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(shaped(random, random.choice(("^########", "^^#######", "5########", "C^^##^#^#"))))


def driver_licence(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(shaped(random, random.choice(("^#######", "^###-####-####", "^^#######^"))))


def medical_record(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(shaped(random, random.choice(("########", "00######", "H#######", "##-##-##"))))


def licence_number(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(shaped(random, random.choice(("A######", "RN-#######", "MD######"))))


def account_number(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(shaped(random, random.choice(("########", "####-####", "K-#######", "AC#######"))))


def birth_date(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _date(random, language, random.randint(1946, 2004))


def date(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _date(random, language, random.randint(2012, 2024))


def _date(random: Random, language: str, year: int) -> tuple[str, tuple[str, ...]]:
    day, month = random.randint(10, 28), random.randint(1, 12)
    if language in ("zh", "ja"):
        return _whole(f"{year}年{month}月{day}日")
    word = _MONTHS[language].split()[month - 1]
    of = " de " if language in ("es", "pt") else " "
    written = f"{day}{'.' if language == 'de' else ''}{of}{word}{of}{year}"
    numbers = f"{month:02d}/{day:02d}/{year}" if language == "en" else f"{day:02d}.{month:02d}.{year}"
    return _whole(random.choice((written, written, numbers, f"{year}-{month:02d}-{day:02d}")))


def age(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(str(random.randint(91, 108)))


def api_key(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    mixed = string.ascii_letters + string.digits
    prefix, characters, length = random.choice(
        (
            ("sk-proj-", mixed, 40),
            ("ghp_", mixed, 36),
            ("AKIA", string.ascii_uppercase + "234567", 16),
            ("xoxb-", string.digits, 24),
            ("sk_live_", mixed, 24),
            ("AIza", mixed, 35),
        )
    )
    return _whole(prefix + drawn(random, characters, length))


def password(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    return _whole(
        random.choice(_HANDLES).capitalize()
        + drawn(random, string.ascii_letters + string.digits, 5)
        + random.choice("!#$%")
        + shaped(random, "##")
    )


def private_key(random: Random, language: str) -> tuple[str, tuple[str, ...]]:
    body = base64.b64encode(random.randbytes(336)).decode()
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    kind = random.choice(("RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY"))
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----"]), (lines[0], lines[3])


def _whole(value: str) -> tuple[str, tuple[str, ...]]:
    return value, (value,)
