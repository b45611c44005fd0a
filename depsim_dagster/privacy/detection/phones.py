"""Telephone numbers of all countries: by their form, by the words beside them, by libphonenumber's numbering plans."""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan

_EXTENSION = (
    r"(?:[ ,;]{0,2}(?:x|ext\.?|extension|extn\.?|доб\.?|durchwahl|dw|poste|anexo|ramal|int\.?|interno"
    r"|wew\.?|#)[ .:]{0,2}\d{1,6})?"
)
_SEPARATOR = r"[ \u00a0\u2009\u202f.\u2010-\u2015/()-]"
_CANDIDATE = re.compile(
    rf"(?<![A-Za-z0-9_.,=&%$€£¥#@/^*-])(?:\+"
    rf"|tel:\+?)?\(?\+?\d(?:{_SEPARATOR}{{0,3}}\d){{5,19}}{_EXTENSION}(?![A-Za-z0-9_]|[-.,:/^*=%]\d)",
    re.IGNORECASE,
)
# Glued to what introduces it (`Tel:555…`, `电话13…`, `phone=…`), where the first form refuses its neighbour.
_GLUED = re.compile(
    rf"(?:(?<=[=:：,;#])"
    rf"|(?<=[\u3040-\u9fff\uac00-\ud7af]))(?:\+)?\(?\d(?:{_SEPARATOR}{{0,3}}\d){{5,19}}{_EXTENSION}(?![\dA-Za-z_]"
    rf"|[-.,:/]\d)",
    re.IGNORECASE,
)
_WORDS = (
    r"phone|telephone|tel|cell|cellphone|mobile|mob|handset|call|calling|called|dial|ring|text|sms|fax"
    r"|whatsapp|viber|signal"
    r"|telegram|hotline|landline|reach|contact|answering|registered|desk|home|work|office|number"
    r"|voicemail|imessage|facetime"
    r"|telefon\w{0,10}|handy\w{0,8}|mobil\w{0,10}|rufnummer|festnetz|anrufen|ruf|erreichbar|erreichen"
    r"|rückruf|durchwahl"
    r"|téléphone|portable|fixe|appel\w{0,5}|joindre|joignable|numéro|gsm"
    r"|teléfono|telefono|móvil|movil|celular|llam\w{1,6}|fijo|cel"
    r"|telefone|telemóvel|celular|ligar?|ligue|liga|contato|contacto|zap|whats"
    r"|cellulare|chiam\w{1,6}|recapito|fisso|cell"
    r"|telefoon\w{0,8}|mobiel\w{0,6}|bel|bellen|bereikbaar|06-nummer"
    r"|numer|komórk\w{1,5}|zadzwo\w{1,4}|dzwo\w{1,5}|kontakt\w{0,6}"
    r"|telefonnummer|mobilnummer|ring\w{0,4}|nå|mobilen|tlf|puhelin\w{0,6}|nummer"
    r"|телефон\w{0,4}|тел|моб\w{0,8}|звони\w{0,4}|позвони\w{0,4}|номер\w{0,2}|факс|сотов\w{1,4}"
    r"|cep|numara\w{0,5}|arayın|ara|gsm|हाथफोन|फ़ोन|फोन|मोबाइल|नंबर|संपर्क|هاتف|الاتصال|جوال|رقم|الهاتف"
    r"|اتصل|موبايل|تلفون|טלפון|נייד"
)
_BEFORE = re.compile(
    rf"(?<![^\W\d_])(?:{_WORDS})(?![^\W\d_])[^\n]{{0,34}}$|(?:{_WORDS})[^\w\n]{{0,6}}\n?[^\w\n]{{0,4}}$"
)
_AFTER = re.compile(
    r"^[^\w\n]{0,4}(?:\(?(?:cell|mobile|home|work|office|fax|phone|tel|handy|mobil|portable|móvil|celular"
    r"|cellulare)\b"
    r"|(?:is|are) (?:my|the|our|his|her|their) (?:\w+ ){0,2}(?:number|phone|cell|mobile)"
    r"|(?:पर|numarasını|numaralı|numarasından|anrufen|erreichbar|erreichen|telefonisch)(?![^\W\d_])|(?:に"
    r"|へ|まで)?(?:お電話|電話|携帯)|(?:로|으로) (?:전화|연락))"
)
_BEFORE_UNSPACED = re.compile(
    r"(?:电话|電話|手机|手機|号码|號碼|微信|联系方式|联系|致电|拨打|热线|传真|携帯|番号|連絡先|ファックス|TEL|Tel|전화|휴대폰|핸드폰|연락처|번호"
    r"|팩스)[^\n]{0,16}$"
)
_NOT_A_PHONE = re.compile(
    r"(?:isbn|issn|doi|order|invoice|serial|version|build|port|zip|ssn|iban|card|karte|account|konto|year"
    r"|pid|id|timestamp|epoch|pmid|arxiv|sku|part|model"
    r"|passport|license|licence|mrn|imei|vin|routing|bsn|pesel|cpf|dni|nhs|tin|ein)\W{0,3}(?:number|no|nr"
    r"|#|is|code)?\W{0,4}(?:is\W{1,3})?$"
)
_DATE = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2}/\d{1,2}/\d{2})(?:\D|$)"
    r"|\d{5}-\d{4}$|(?:19|20)\d\d/\d{1,2}$|(?:19|20)\d{2}\s?[-–]\s?(?:19|20)\d{2}$"
)
_QUOTIENT = re.compile(r"\d{1,2}\.\d+\s?/\s?\d{1,2}\.\d+")
# What is written so is a telephone number whatever stands beside it.
_FORMS = re.compile(
    r"(?:"
    r"(?:\+?1[ .-]{0,2})?\(\d{3}\)[ .-]{0,2}\d{3}[ .-]\d{4}"  # (415) 555-0134
    r"|(?:\+?1[ .-]{1,2}|001[ .-])?\d{3}-\d{3}-\d{4}|(?:1\.)?\d{3}\.\d{3}\.\d{4}|[2-9]\d\d [2-9]\d\d"
    r" \d{4}|\d{3}[ -/]\d{3}-\d{4}|\(\d{3}\)\d{7}"
    r"|\(0?\d{2,5}\)[ /.-]{0,2}\d{2,5}(?:[ .-]?\d{2,5}){1,3}"  # (01234) 567890, (11) 91234-5678
    r"|\d{2} 9\d{4}[- ]\d{4}|\d{2} [2-5]\d{3}-\d{4}"  # 11 91234-5678
    r"|0\d[ .]?(?:\d{2}[ .-]){3}\d{2}|0\d(?:[ .-]\d{2}){4}"  # 06 12 34 56 78
    r"|0\d{1,4}[ /-]{1,3}\d{2,8}(?:[ .-]\d{2,5}){0,4}"  # 0151 12345678, 08-123 456 78, 090-1234-5678
    r"|0\d{2,4}\.\d{3}\.\d{3,4}"
    r"|[6-9]\d{4}[ -]\d{5}"  # 98765 43210
    r"|8[ -]?\(?\d{3}\)?[ -]?\d{3}[ -]\d{2}[ -]\d{2}"  # 8 (912) 345-67-89
    r"|1[3-9]\d[ -]\d{4}[ -]\d{4}"  # 138 1234 5678
    r"|[4-8]\d{2}-\d{3}-\d{3}|[69]\d{2}[ -]\d{2}[ -]\d{2}[ -]\d{2}"
    r"|1[38]00[ -]\d{3}[ -]\d{3}|[1-9]\d \d{3} \d{2} \d{2}"
    r")"
)
_COUNTING = "01234567890123456789 98765432109876543210"
_REGIONS = {
    "es": ("ES", "MX", "AR", "CO", "CL"),
    "pt": ("BR", "PT"),
    "pl": ("PL",),
    "de": ("DE", "AT", "CH"),
    "fr": ("FR", "BE", "CH", "CA"),
    "it": ("IT",),
    "nl": ("NL", "BE"),
    "sv": ("SE",),
    "zh": ("CN", "TW", "HK"),
    "ja": ("JP",),
    "ko": ("KR",),
    "ru": ("RU", "UA"),
    "tr": ("TR",),
    "hi": ("IN",),
    "ar": ("SA", "EG", "AE"),
    "en": ("US", "GB", "AU", "IN"),
}
# Words that only one language has, to tell which countries' numbers to expect.
_TELLTALES = {
    "es": frozenset("el los una mi es está por para teléfono llámame con número hola gracias".split()),
    "pt": frozenset("meu minha não você uma com para está telefone olá obrigado são".split()),
    "pl": frozenset("mój jest nie się proszę numer dzień dobry oraz dla mam na do pod".split()),
    "de": frozenset("ich ist und der die das nicht mein meine bitte unter für mit".split()),
    "fr": frozenset("je est le les une mon ma pour vous avec mes au des bonjour".split()),
    "it": frozenset("il mio è sono per con una della che numero grazie ciao alla".split()),
    "nl": frozenset("ik het een mijn is niet van voor met op en mij bel".split()),
    "sv": frozenset("jag är och mitt min på att det inte för med hej mig".split()),
    "tr": frozenset("bir ve benim için numaram bu merhaba telefon bana lütfen".split()),
}


def find_phones(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Telephone and fax numbers with their extensions."""
    text = chat.text
    for start, end in chat.number_windows:
        for pattern in (_CANDIDATE, _GLUED):
            for match in pattern.finditer(text, start, end):
                yield from _accepted(chat, match.start(), match.end())


_CARD_GROUPS = re.compile(r"\d{4}(?:[ -]\d{4}){3}(?!\d)")


def _accepted(chat: ChatText, start: int, end: int) -> Iterator[IdentifierSpan]:
    """The candidate; of one that runs over two numbers the parts, from the left, that are numbers."""
    text = chat.text
    if text[start] == "(" and text.count("(", start, end) > text.count(")", start, end):
        start += 1  # the number stands in brackets
    if _CARD_GROUPS.match(text, start):
        return
    while start < end and (found := _longest(chat, start, end)) is not None:
        yield IdentifierSpan("phone", start, found)
        start = found
        while start < end and not (text[start].isdigit() or text[start] in "+("):
            start += 1


def _longest(chat: ChatText, start: int, end: int) -> int | None:
    """Where the longest number that begins at `start` ends."""
    text, cut = chat.text, end
    for _ in range(6):
        if _is_phone(chat, start, cut):
            return cut
        cut = max(text.rfind(space, start, cut) for space in " \u00a0/")
        while cut > start and not text[cut - 1].isdigit():
            cut -= 1
        if cut - start < 7:
            return None
    return None


def _is_phone(chat: ChatText, start: int, end: int) -> bool:
    value = chat.text[start:end]
    number = re.split(
        r"[ ,;]{0,2}(?:[a-zа-я#]+[ .:]{0,2})\d{1,6}$",
        value.removeprefix("tel:"),
        maxsplit=1,
        flags=re.IGNORECASE,
    )[0]
    digits = "".join(filter(str.isdigit, number))
    if (
        not 6 <= len(digits) <= 17
        or len(set(digits)) == 1
        or _DATE.match(number)
        or number.isdigit()
        and digits in _COUNTING
    ):
        return False
    if number.count("(") != number.count(")") or _QUOTIENT.fullmatch(number):
        return False
    if value.startswith("tel:") or number != value.removeprefix("tel:"):  # with an extension
        return 7 <= len(digits) <= 15
    if number.lstrip("(").startswith("+"):
        return 7 <= len(digits) <= 15 and digits[0] != "0"
    if _FORMS.fullmatch(number) and 8 <= len(digits) <= 14:
        return not (" " in number and _among_numbers(chat.text, start, end))
    before = chat.lower[max(0, start - 46) : start]
    if _NOT_A_PHONE.search(before[-24:]):
        return False
    if 7 <= len(digits) <= 15 or (len(digits) == 6 and not number.isdigit()):
        if _BEFORE.search(before) or _AFTER.match(chat.lower[end : end + 30]):
            return not (_is_grouped_amount(number) and _AMOUNT.match(chat.lower[end : end + 8]))
        if not chat.text.isascii() and _BEFORE_UNSPACED.search(chat.text[max(0, start - 24) : start]):
            return True
    if 9 <= len(digits) <= 12 and _beside(chat.text, start, end):
        mail = "@" in chat.text[max(0, start - 90) : end + 90] and not _OTHER_NUMBER.search(before[-16:])
        if (mail and len(set(digits)) > 3) or _NAMED_BEFORE.search(chat.text[max(0, start - 40) : start]):
            return True
    return _is_planned(chat, number, digits)


# An entry of a list of people: `- Ana Diaz: 612876898`.
_NAMED_BEFORE = re.compile(r"[^\W\d_a-z][^\W\d_]+ [^\W\d_a-z][^\W\d_]+[ ]?[:,|–-][ ]?$")
_OTHER_NUMBER = re.compile(r"[^\W\d_]{3,}[ :#=]{0,3}$|=$")
_BESIDE = frozenset("|/,;·•\n\t:–-")


def _beside(text: str, start: int, end: int) -> bool:
    """Set off as the parts of a signature are: `Ana | ana@x.org | 11947342164`."""
    before, after = text[:start].rstrip(" ")[-1:], text[end:].lstrip(" ")[:1]
    return (not before or before in _BESIDE) and (not after or after in _BESIDE)


def _among_numbers(text: str, start: int, end: int) -> bool:
    """A row of a table or a list of numbers: figures on both sides, on the same line."""
    return bool(
        re.search(r"\d[ ,]{1,2}$", text[max(0, start - 3) : start])
        and re.match(r"[ ,]{1,2}\d", text[end : end + 3])
    )


_AMOUNT = re.compile(r"\s?(?:%|€|\$|£|eur|usd|dollar|euro|people|times|km|kg|views)")


def _is_grouped_amount(number: str) -> bool:
    return re.fullmatch(r"\d{1,3}(?:[ .]\d{3})+", number) is not None


def _is_planned(chat: ChatText, number: str, digits: str) -> bool:
    """Whether a country that the text suggests assigns such numbers; looked up last, since it is slow."""
    if number.startswith("00") and 10 <= len(digits) <= 16:
        return _is_valid("+" + digits[2:], None)
    if (
        chat.unspaced
        and len(digits) == 11
        and digits[0] == "1"
        and digits[1] in "3456789"
        and number[:2].isdigit()
    ):
        return True
    if digits[0] == "0" and 9 <= len(digits) <= 11 and number[0] in "(0":
        return any(
            _is_valid(digits, region)
            for region in ("FR", "DE", "GB", "NL", "JP", "IT", "SE", "AU", "TR", "KR")
        )
    if len(digits) == 9 and re.fullmatch(r"\d{3}[ -]\d{3}[ -]\d{3}|\d{3}[ -]\d{2}[ -]\d{2}[ -]\d{2}", number):
        return any(_is_valid(digits, region) for region in _regions(chat) if region in ("ES", "PL", "PT"))
    return False


def _regions(chat: ChatText) -> tuple[str, ...]:
    if chat.language in _REGIONS and chat.language != "en":
        return _REGIONS[chat.language]
    best = max(_TELLTALES, key=lambda language: len(_TELLTALES[language] & chat.words))
    return _REGIONS[best] if len(_TELLTALES[best] & chat.words) >= 2 else ()


def _is_valid(number: str, region: str | None) -> bool:
    import phonenumbers  # a third of a second to import, and most texts have no number that needs it

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False
