"""Postal addresses: a street with its number, and with what follows it up to postal code, place and state.

Streets are known by their words (`… Street`, `rue …`, `…straße`, `ulica …`, `…路12号`) in some fifteen languages. Postal
codes and places count beside a street, behind a label, or in the form that a country writes them (`Springfield, IL
62704`); a city alone only where somebody is said to live there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.asian_places import find_asian_places
from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.gazetteers import gazetteer
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detection.labels import LabelTable
from depsim_dagster.privacy.detection.name_words import NOT_ALONE
from depsim_dagster.privacy.detection.street_patterns import (
    ARABIC,
    CHINESE,
    CHINESE_REGION,
    CITY_STATE,
    DUTCH_FIRST,
    ENGLISH,
    ENGLISH_ORDINAL,
    ENGLISH_SMALL,
    FRENCH,
    FRENCH_BARE,
    GERMANIC,
    GERMANIC_SMALL,
    HINDI,
    INDIAN,
    INDIAN_PIN,
    JAPANESE,
    KOREAN,
    MILITARY,
    NUMBER_AND_UNIT,
    PO_BOX,
    POSTCODE,
    PREPOSITION_STREET,
    ROMANCE,
    STREET_FIRST,
    STREET_LAST,
    SUFFIX,
    TOWN,
    TURKISH,
    UK_CODE,
    UNIT_FIRST,
    US_STATES,
    W,
)

# Words of which one must stand in the text before a family is tried at all (small letters, whole words).
_ENGLISH_WORDS = frozenset(
    word.lower() for word in re.findall(r"[A-Za-z]+", re.sub(r"s\?", "", SUFFIX))
) | frozenset(word + "s" for word in map(str.lower, re.findall(r"[A-Za-z]+", re.sub(r"s\?", "", SUFFIX))))
_UNIT_WORDS = frozenset("flat studio apartment apt suite ste unit".split())
_ROMANCE_WORDS = frozenset(
    word.lower()
    for word in re.findall(r"[^\W\d_]+", re.sub(r"\[(\w)\w\]", r"\1", STREET_FIRST))
    if len(word) > 0
) | frozenset(("c", "r", "av", "avda", "ul", "al", "pl", "os", "ул", "пр", "пер", "наб", "ш", "д", "улице"))
_GERMANIC_ENDINGS = tuple(ending.replace("\\.", ".") for ending in STREET_LAST[3:-1].split("|"))
_WORD_THEN_NUMBER = re.compile(r"(?<=[^\W\d_]|\.)[ ,]{1,2}(?:[Nn]r\.? ?)?\d")
_BEFORE_HOUSE_NUMBER = frozenset(" ,rR.")
_INDIAN_WORDS = frozenset(
    "nagar marg colony chowk vihar enclave layout gali sector bagh puram ganj salai".split()
)
_PREPOSITIONS = frozenset("am an auf im zum zur hinter unter bei beim vor op aan".split())
_DUTCH_WORDS = frozenset("laan plein kade dreef".split())
_BOX_WORDS = frozenset("box psc apo fpo dpo postfach bp apartado caixa casella postbus skrytka uss".split())
_TURKISH_WORDS = frozenset("mahallesi mah caddesi cad sokak sokağı sok sk bulvarı blv".split())
_STATE_CODE = re.compile(rf", ?{US_STATES}\b")

_FIELDS = LabelTable(
    {
        "street_address": """
            [street|home|mailing|billing|shipping|postal|residential|work|office|current|delivery|
            permanent|my|full] address [line 1|1|is]; addr; address1; address line 1; streetaddress;
            street; secondaryaddress; secondary address; streetname; mailing; residence; resides at;
            lives at; live at; living at; located at; ship to; ship it to; deliver to; delivered to;
            sent to; mailed to; moved to
            (adresse|anschrift|wohnanschrift|lieferadresse|rechnungsadresse|wohnhaft [in]|wohne in|
            wohne in der|wohnt in); adresse [postale]; (j habite|habite [au|à]|domicilié [au|à]|
            demeurant); [mi] dirección [es]; domicilio; vivo en; resido en; indirizzo; residente in;
            abito in; endereço; moro (na|no|em); resido na; adres; (woon [op|in|aan]|woonachtig);
            adres [zamieszkania]; mieszkam (przy|na); zamieszkał* (przy|na); adress; bor på; адрес;
            живу (на|по|по адресу); проживаю*; adres*; adresim; पता; العنوان; عنوان; כתובת
        """,
        "postal_code": """
            (zip|zipcode|postcode|postalcode|plz|cep|cap); (zip|postal|post|area) code; zip [is];
            postleitzahl; code postal; código postal; codice postale; código postal; postcode;
            kod pocztowy; postnummer; почтовый индекс; индекс; posta kodu; पिन कोड; الرمز البريدي; מיקוד
        """,
        "place": """
            (live|lives|living|lived|reside|resides|residing|moved|relocated|based) [near|just outside|
            outside|back] (in|to|from|at|near); (m|am|are|is) (from|based in|located in); (resident|
            citizen|native) (of|in); born in; grew up in; raised in; hometown [is|of]; based in;
            living in; located in; originally from; comes from; birthplace; place of birth; [home] (city|
            town|county|state|province|municipality|village|suburb|borough); city name
            (ich wohne|wohne|wohnhaft|lebe|komme|geboren|aufgewachsen) (in|aus); wohnort; ort; stadt;
            geburtsort; (j habite|habite|vis|né|née) [à|en]; (ville|commune|lieu de naissance); (vivo|
            vive|nací|resido) en; soy de; (ciudad|localidad|provincia|lugar de nacimiento); (vivo|abito|
            nato|nata|residente) (a|in); (città|comune|luogo di nascita|provincia); (moro|mora|nasci|
            vivo) em; sou de; (cidade|município|bairro|naturalidade|estado); (woon|woont|geboren) in;
            (woonplaats|plaats|geboorteplaats|stad); mieszka* w; pochodz* z; (miasto|miejscowość|
            miejsce urodzenia); bor i; (ort|stad|födelseort|kommun); (живу|живет|живёт|родился|
            родилась) в; (город|место рождения); (şehir|doğum yeri|ilçe|il); शहर; المدينة
        """,
    }
)
_FIELD_VALUE = re.compile(
    r"[\"'`*_)\]]{0,3}\s?(?:[:=|>]|=>|->|is\b|ist\b|es\b|est\b|è\b|é\b|-)\s{0,3}[\"'`*_]{0,3}"
)
_ADDRESS_LINE = re.compile(r"[^\n\"'`;{}<>|]{6,120}")
_POSTCODE_VALUE = re.compile(
    rf"(?:[\s:=\"'`#*|_-]|(?:is|ist|es|est|è|é|to|är)\b){{1,8}}({POSTCODE}|\d{{3,10}}|[A-Z0-9]{{2,4}}["
    rf" -]?[A-Z0-9]{{3}})(?![\w])"
)
_PLACE_VALUE = re.compile(
    rf"[\s:=\"'*_`|-]{{1,6}}(?:the |die |der |la |le |el )?({TOWN}(?:,? (?:{US_STATES}|{TOWN}))?)"
)
_LIVING = re.compile("liv|moved|resid|wohn|j habite|j['’]habite|habite|viv|mor|abit|woon|mieszk|bor |жив")
_SMALL_PLACE_VALUE = re.compile(r"[\s:]{1,3}([^\W\d_]{3,20}(?: [^\W\d_]{3,20}){0,2}(?:, [^\W\d_]{2,20})?)")
_COORDINATES = re.compile(
    r"(?<![\w.])[\[(]?[-+]?\d{1,3}\.\d{2,15}°?\s?[NSns]?[,;/"
    r" ]\s?[-+]?\d{1,3}\.\d{2,15}°?\s?[EWOewo]?[\])]?(?![\w.])"
)
_DEGREES = re.compile(
    r"\d{1,3}°\s?\d{1,2}['′’]\s?(?:\d{1,2}(?:\.\d{1,4})?[\"″”'’]{1,2}\s?)?[NSns][,;"
    r" ]{1,2}\d{1,3}°\s?\d{1,2}['′’]\s?(?:\d{1,2}(?:\.\d{1,4})?[\"″”'’]{1,2}\s?)?[EWew]"
)
_COORDINATE_WORDS = frozenset(
    "coordinates coordinate gps lat latitude long longitude lon location located geolocation"
    " nearbygpscoordinate koordinaten coordonnées coordenadas coordinate coördinaten współrzędne position"
    " geo".split()
)
_UK = re.compile(rf"(?<![\w]){UK_CODE}(?![\w])")
_UK_WORDS = frozenset(
    "postcode london uk england scotland wales manchester birmingham leeds address street road lane live"
    " flat close avenue".split()
)


def find_addresses(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Streets with their towns, boxes, postal codes and places in a context, coordinates."""
    text = chat.text
    if chat.digits:
        for span in _streets(chat):
            yield _with_town(text, span)
        if chat.has_any(_COORDINATE_WORDS) or "°" in text:
            for pattern in (_COORDINATES, _DEGREES):
                for match in pattern.finditer(text):
                    yield IdentifierSpan("place", *match.span())
        if chat.has_any(_UK_WORDS):
            for match in _UK.finditer(text):
                yield IdentifierSpan("postal_code", *match.span())
    yield from _behind_labels(chat)
    if not text.isascii():
        yield from find_asian_places(chat)


# What goes on behind a street: a floor, a quarter, postal code and town. A town alone must be a known one.
_TAIL = re.compile(
    rf",[ \n]?(?:\d{{1,2}}\s?[º°ª](?: (?:izda|dcha|izq|der|[A-Z])\b\.?)?|(?:piso|apto|of|dpto|int) ?\d{{1,4}}"
    rf"|(?:Col|Colonia|Urb|Urbanización|Fracc|Bairro|Barrio|Quartier)\.? [^,\n.;]{{2,40}}"
    rf"|(?:{W} )?(?:Phase|Sector|Zone|Ward) \d{{1,3}}"
    rf"|{POSTCODE} (?P<coded>{TOWN})|(?P<town>{TOWN})(?: {POSTCODE})?)(?![\w])"
)


_QUARTER = re.compile(r", (?:Col|Urb|Fracc)$")


def _with_town(text: str, span: IdentifierSpan) -> IdentifierSpan:
    if span.type != "street_address":
        return span
    end = span.end
    quarter = _QUARTER.search(text, max(span.start, end - 6), end)
    if quarter is not None and text[end : end + 1] == ".":
        end = quarter.start()
    for _ in range(3):
        match = _TAIL.match(text, end, min(len(text), end + 90))
        if match is None:
            break
        stop = match.end()
        if match.group("town"):
            lexeme = gazetteer().lexeme(match.group("town").casefold())
            if not 3 <= lexeme.place < 15 or lexeme.word > 9 or lexeme.first > 9:
                break
        end = stop
    return IdentifierSpan(span.type, span.start, end) if end > span.end else span


def _streets(chat: ChatText) -> Iterator[IdentifierSpan]:
    text = chat.text
    if chat.has_any(_ENGLISH_WORDS):
        for match in (
            *ENGLISH.finditer(text),
            *ENGLISH_ORDINAL.finditer(text),
            *ENGLISH_SMALL.finditer(text),
        ):
            yield _trimmed(text, "street_address", match.start(), match.end())
        for match in _NAME_THEN_NUMBER.finditer(text) if chat.has_any(_ROADS) else ():
            yield IdentifierSpan("street_address", *match.span())
    if _CODE_SIGN.search(text):
        for match in _BEFORE_CODE.finditer(text):
            if 3 <= gazetteer().lexeme(match.group(1).casefold()).place < 15:
                yield IdentifierSpan("street_address", *match.span())
    if chat.has_any(_UNIT_WORDS):
        for match in (*UNIT_FIRST.finditer(text), *NUMBER_AND_UNIT.finditer(text)):
            yield _trimmed(text, "street_address", match.start(), match.end())
    for head in _ROMANCE_WORDS & chat.words:
        for start in chat.word_starts[head]:
            # The number stands before the street in France, and `C/`, `ul.` are longer than their word.
            for pattern, place in (
                (ROMANCE, start),
                (FRENCH_BARE, start),
                (FRENCH, _number_before(text, start)),
            ):
                match = pattern.match(text, place) if place >= 0 else None
                if match is not None and any(map(str.isdigit, match.group())):
                    yield _trimmed(text, "street_address", _locality_before(text, match.start()), match.end())
    if any(
        chat.lower.endswith(_GERMANIC_ENDINGS, max(0, match.start() - 12), match.start())
        for start, _ in chat.numbers
        if text[start - 1 : start] in _BEFORE_HOUSE_NUMBER
        for match in _WORD_THEN_NUMBER.finditer(text, max(0, start - 7), start + 1)
    ):
        for match in (*GERMANIC.finditer(text), *GERMANIC_SMALL.finditer(text)):
            yield _trimmed(text, "street_address", match.start(), match.end())
    if chat.has_any(_DUTCH_WORDS):
        for match in DUTCH_FIRST.finditer(text):
            yield _trimmed(text, "street_address", match.start(), match.end())
    if chat.has_any(_PREPOSITIONS):
        for match in PREPOSITION_STREET.finditer(text):
            yield _trimmed(text, "street_address", match.start(), match.end())
    if chat.has_any(_INDIAN_WORDS):
        for match in INDIAN.finditer(text):
            yield _trimmed(text, "street_address", match.start(), match.end())
    if chat.has_any(_TURKISH_WORDS):
        for match in TURKISH.finditer(text):
            yield _trimmed(text, "street_address", match.start(), match.end())
    if chat.has_any(_BOX_WORDS):
        for match in (*PO_BOX.finditer(text), *MILITARY.finditer(text)):
            yield _trimmed(text, "street_address", match.start(), match.end())
    if _STATE_CODE.search(text) or "APO" in text or "FPO" in text:
        for match in CITY_STATE.finditer(text):
            yield _trimmed(text, "street_address", match.start(), match.end())
    if chat.unspaced:
        for pattern in (CHINESE, CHINESE_REGION):
            for match in pattern.finditer(text):
                start = match.start()
                lead = _ZH_LEAD.match(text, start, match.end() - 4)
                yield IdentifierSpan("street_address", lead.end() if lead else start, match.end())
        for match in JAPANESE.finditer(text):
            last = (
                max(place for place in range(match.start(), match.end()) if text[place].isdigit())
                if re.search(r"\d", match.group())
                else match.end() - 1
            )
            end = _JA_NUMBER_END.match(text, last + 1).end() if last + 1 < match.end() else match.end()
            yield IdentifierSpan("street_address", match.start(), min(end, match.end()))
    if chat.hangul:
        for match in KOREAN.finditer(text):
            yield IdentifierSpan("street_address", *match.span())
    if chat.uncased:
        for pattern in (HINDI, INDIAN_PIN, ARABIC):
            for match in pattern.finditer(text):
                if any(map(str.isdigit, match.group())):
                    yield _trimmed(text, "street_address", match.start(), match.end())


# In any language: words, a number, postal code and a known town.
_CODE_SIGN = re.compile(r"\d[A-Za-z]?, (?:[A-Z]{1,2}-)?\d{4,6} [^\W\d_]")
_BEFORE_CODE = re.compile(
    rf"(?<![\w]){W}(?: (?:{W}|mnt|tn|pst|utca|út|iela|g\.|str\.|de|du|da|do|van|der|den|la|del|di)){{0,3}}"
    rf" \d{{1,4}}[A-Za-z]?(?:[-/]\d{{1,4}})?, (?:[A-Z]{{1,2}}-)?\d{{4,6}} ({TOWN})"
)
# As foreigners write a street: `Maple Avenue 88`, `number 46, Allika street`.
_ROAD = (
    r"(?:Street|Avenue|Road|Lane|Drive|Boulevard|Crescent|Close|Terrace|Alley"
    r"|street|avenue|road|lane|drive|boulevard)"
)
_ROADS = frozenset(word.lower() for word in _ROAD[3:-1].split("|"))
_NAME_THEN_NUMBER = re.compile(
    rf"(?<![\w])(?:[Nn]umber |[Nn]o\.? |#)?\d{{1,5}}[A-Za-z]?, (?:{W} ){{1,3}}{_ROAD}(?![\w])"
    rf"|(?<![\w])(?:{W} ){{1,3}}{_ROAD}(?:,? (?:[Nn]umber|[Nn]o\.?|#))? ?\d{{1,4}}[A-Za-z]?(?![\w%]|[.,:]\d)"
)
_LOCALITY = re.compile(
    r"(?:\d{6}, )?(?:[А-ЯЁ][\w-]{1,25} (?:обл\.?|область|край), )?(?:(?:п|г|с|клх|к|ст|д|дер|пос|рп|пгт|х"
    r"|аул)\.? )?[А-ЯЁ][\w-]{1,30}(?: [А-ЯЁ][\w-]{1,30})?, $"
)


def _locality_before(text: str, place: int) -> int:
    """In Russia the place stands before the street."""
    match = _LOCALITY.search(text, max(0, place - 90), place) if text[place : place + 1] > "\u0400" else None
    return match.start() if match else place


_NUMBER_BEFORE = re.compile(r"\d{1,4}(?: ?(?:bis|ter|quater|[A-D]))?,? $")


def _number_before(text: str, place: int) -> int:
    match = _NUMBER_BEFORE.search(text, max(0, place - 14), place)
    return match.start() if match else -1


def _trimmed(text: str, type_: str, start: int, end: int) -> IdentifierSpan:
    while end > start and (text[end - 1].isspace() or text[end - 1] in ",.;:|-"):
        end -= 1
    return IdentifierSpan(type_, start, end)


def _behind_labels(chat: ChatText) -> Iterator[IdentifierSpan]:
    text = chat.text
    for label in _FIELDS.find(chat):
        if label.kind == "postal_code":
            match = _POSTCODE_VALUE.match(text, label.end)
            if match is not None and any(map(str.isdigit, match.group(1))):
                yield IdentifierSpan("postal_code", *match.span(1))
        elif label.kind == "place":
            match = _PLACE_VALUE.match(text, label.end) or _SMALL_PLACE_VALUE.match(text, label.end)
            if match is not None:
                yield from _place(text, match.start(1), match.end(1))
        else:
            if _TECHNICAL.search(chat.lower, max(0, label.start - 14), label.start):
                continue
            sign = _FIELD_VALUE.match(text, label.end)
            if sign is None and chat.lower.endswith(" is", label.start, label.end):
                sign = _BLANK.match(text, label.end)
            line = _ADDRESS_LINE.match(text, sign.end()) if sign else None
            if line is not None and _is_address_line(line.group()):
                yield _trimmed(text, "street_address", line.start(), line.start() + _sentence(line.group()))
            elif _LIVING.match(chat.lower, label.start):  # `vivo en` a street or a town
                match = _PLACE_VALUE.match(text, label.end)
                if match is not None:
                    yield from _place(text, match.start(1), match.end(1))


_BLANK = re.compile(r" ")
_TECHNICAL = re.compile(
    r"(?:ip|ipv4|ipv6|mac|e-?mail|mail|memory|base|web|url|wallet|btc|bitcoin|eth|host|server|bind|return"
    r"|network|start|end|remote|local|source|src|dest|destination|virtual|physical|contract|hardware|bus"
    r"|offset|_)[ _-]?$"
)


def _sentence(line: str) -> int:
    """The length up to the end of the sentence; a dot behind a short word (`St.`, `12.`) does not end one."""
    for match in re.finditer(r"[.!?](?= [^\W\d_]|$)| (?:and|und|et|y|e|en|but|so|please) (?=[a-zà-ÿ])", line):
        word = re.search(r"[\w]*$", line[: match.start()]).group()
        if not match.group().startswith(".") or len(word) > 4:
            return match.start()
    return len(line)


def _is_address_line(line: str) -> bool:
    return (
        any(map(str.isdigit, line))
        and len(re.findall(r"[^\W\d_]{2,}", line)) >= 1
        and "@" not in line
        and "://" not in line
        and not re.search(r"[()\[\]{}=<>_]|\w\.\w+\(", line)
        and not re.match(r"\d+(?:\.\d+){2,}|0x", line)
    )


def _place(text: str, start: int, end: int) -> Iterator[IdentifierSpan]:
    """The longest beginning of the words that is a place; a country alone is not small enough to matter."""
    words = [match.end() for match in re.finditer(r"[^\W\d_][\w.'’]*(?:-[\w.'’]+)*", text[start:end])]
    lexeme_of = gazetteer().lexeme
    for stop in reversed(words[:6]):
        value = text[start : start + stop].rstrip(".")
        key = value.casefold()
        head = key.split(",")[0]
        place = max(_place_score(key), lexeme_of(head).place if "," in key else 0)
        small = value[0].islower() and (place < 7 or lexeme_of(head).word >= 8)
        if place and place < 15 and not small and not (place < 4 and head in NOT_ALONE):
            yield IdentifierSpan("place", start, start + len(value))
            return


# What stands before a Chinese address without a blank: `请寄到…`, `我住在…`.
_ZH_LEAD = re.compile(
    r"[\u4e00-\u9fff]{0,8}?(?:寄到|送到|住在|位于|搬到|地址是|地址为|地址|家在|来自|寄往|发到|去到|去|在|到|是)(?=[\u4e00-\u9fff]{2})"
)
_JA_NUMBER_END = re.compile(r"(?:丁目|番地|番|号室|号|階|F|室)?")

# Endings of the locative in Slavic languages, and what the name of the town ends in itself.
_LOCATIVE = (
    ("owie", "ów"), ("owie", "owo"), ("ie", ""), ("ie", "a"), ("ie", "o"), ("iu", ""), ("u", ""), ("i", "ia"), ("ach", "y"), ("ach", "e"),
    ("niu", "ń"), ("e", ""), ("e", "a"), ("е", ""), ("е", "а"), ("и", "ь"), ("и", "я"), ("у", ""), ("ах", "ы"),
)  # fmt: skip


def _place_score(key: str) -> int:
    """How much a word is a place; of a declined Slavic name its nominative."""
    lexeme_of = gazetteer().lexeme
    lexeme = lexeme_of(key)
    if lexeme.place or any(lexeme[:3]) and lexeme.word > 5 or len(key) < 5 or " " in key:
        return lexeme.place
    for ending, nominative in _LOCATIVE:
        if key.endswith(ending) and (place := lexeme_of(key[: -len(ending)] + nominative).place) >= 5:
            return place
    return 0


_TOWN_BEFORE = re.compile(
    rf"(?<![^\W_])(in|near|outside|aus|from|to|at|nach|von|bei|à|en|de|desde|hasta|a|da|em|w|we|z|ze|i|till"
    rf"|från|naar|uit|te|в|из|IN|FROM|NEAR|AT|To|From|In) ({W}(?:[ -]{W}){{0,3}})"
)
# Behind these a town's namesake among the first names is the town.
_OF_PLACES = frozenset("in near outside aus IN NEAR In w we в".split())
_TURKISH_TOWN = re.compile(rf"(?<![\w])({W})['’](?:de|da|te|ta|den|dan|ten|tan|ye|ya|li|lı|lu|lü)(?![\w])")


_WRITERS = frozenset("i im my me we yo mi je ma mon ich mein io mio eu meu ik mijn".split())
_SMALL_TOWN = re.compile(
    r"(?<![\w])(?:in|from|near|to|à|en|aus|a|em|uit|w) ([a-zà-ÿ]{4,15})(?![\w(@=/-]|\.\w)"
)


def find_towns(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Towns behind a preposition, for texts that speak of a person; countries and states are no detail."""
    lexeme_of = gazetteer().lexeme
    for match in _TOWN_BEFORE.finditer(chat.text):
        value = match.group(2).rstrip(".'’-")
        sure = match.group(1) in _OF_PLACES
        while value:
            key = value.casefold()
            lexeme, place = lexeme_of(key), _place_score(key)
            rival = max(lexeme.word, lexeme.first)
            if (
                3 <= place <= 13
                and (place >= 8 or rival < 7 or (sure and place >= 5 and lexeme.word < 9))
                and key not in NOT_ALONE
            ):
                yield IdentifierSpan("place", match.start(2), match.start(2) + len(value))
                break
            value = re.sub(r"[ -]?[^ -]*$", "", value).rstrip(".'’-")
    if chat.has_any(_WRITERS):
        for match in _SMALL_TOWN.finditer(chat.text):
            lexeme = lexeme_of(match.group(1))
            if 7 <= lexeme.place <= 13 and lexeme.word < 5 and lexeme.first < 7:
                yield IdentifierSpan("place", *match.span(1))
    if "'" in chat.text or "’" in chat.text:
        for match in _TURKISH_TOWN.finditer(chat.text):
            if 5 <= lexeme_of(match.group(1).casefold()).place < 15:
                yield IdentifierSpan("place", *match.span(1))
