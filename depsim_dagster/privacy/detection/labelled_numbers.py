"""Numbers and codes that are personal because of the words before them: `account number is 12345678`, `Kontonummer: …`.

A label is a phrase of one of a dozen languages, a form field or a key of JSON; what follows it, behind
fillers such as `number is` or `Nr.:`, is the value. Values hold at least three digits (user names and PINs have rules of their own), so
that `account manager` and `member since` yield nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detection.label_phrases import NUMBER_PHRASES
from depsim_dagster.privacy.detection.labels import Announcement, LabelTable

_FILLER = (
    r"(?:number|numbers|num|no|nr|nbr|nº|n°|n\.º|n|№|#|id|ids|code|codes|is|are|was|be|being|as|of|for"
    r"|the|my|your|his|her|their|our|this|on|file|card|account"
    r"|ending|in|with|under|reads|following|follows|provided|assigned|listed|issued|to|account|value|key"
    r"|digits?|ref|reference"
    r"|numéro|numero|número|núm|numer|nummer|nummern|nombre|numru|номер|номера|numarası|numaram|no'su"
    r"|lautet|ist|sind|meine?|der|die|das|es|est|sont|mon|ma|le|la|les|l|de|du|del|di|da|do|dos"
    r"|el|mi|tu|su|son|è|il|mio|mia|é|são|o|a|os|as|meu|minha|seu|sua|het|mijn|van|met|jest|to|mój|moja"
    r"|är|mitt|min|på|av|er|это|мой|моя|код|olarak|şudur"
    r"|है|هو|هي|رقم|الرقم|רקם|using|via|at|and|has|have|had|registered|current|new|old|used)"
)
_GLUE = r"[\s\"'“”„«»`*_:=\-–—>→#(\[.,/|\\]"
# Between label and value: quotes and colons, then up to four fillers with their own colons.
_CONNECTOR = re.compile(
    rf"{_GLUE}{{0,6}}(?:{_FILLER}(?![^\W_]){_GLUE}{{1,5}}){{0,5}}(?:[^\W\d_]{{2,12}}{_GLUE}{{0,2}}[:#=]{_GLUE}{{0,3}})?",
    re.IGNORECASE,
)
_CONNECTOR_UNSPACED = re.compile(
    r"[\s\"'：:=＝は是为為が（(\[「『【号號码碼番的爲에는은가이]{0,8}(?:番号|号码|號碼|编号|번호)?[\s\"'：:=＝は是为為が（(「은는이가]{0,6}"
)
# A code: runs of letters and digits joined by single dots, dashes, slashes; parts after a blank begin with a digit
# or are short capitals.
_CODE = re.compile(
    r"(?:[A-Za-z]{1,5}[ -]?)?(?=[\w./-]{0,30}\d)[A-Za-z0-9][A-Za-z0-9]{0,30}(?:[-./–_][A-Za-z0-9]{1,30}){0,8}"
    r"(?:[ \u00a0](?:\d[A-Za-z0-9]{0,19}(?:[-./][A-Za-z0-9]{1,20}){0,4}|[A-Z]{1,4}(?=[ -]?\d"
    r"|\b(?![a-z])))){0,8}",
)
_HANDLE = re.compile(r"@?[A-Za-z0-9À-ÖØ-öø-ÿ_][\w.+@#-]{1,40}[\w]")
_PIN = re.compile(r"\d[\d -]{1,8}\d|\d{3,10}")
_TIME_OR_AMOUNT = re.compile(
    r"\s?(?:%|€|\$|£|euros?|dollars?|usd|eur|years?|months?|days?|hours?|minutes?|people|users|items"
    r"|points?|times|percent|am|pm|ans|jahre|años)\b",
    re.IGNORECASE,
)


_LABELS = LabelTable(NUMBER_PHRASES)
# Behind a bare `order`, `claim`, `ticket` only what is written as such numbers are: in groups, behind `#`, or long.
_FILES = (
    r"(?:order|claim|ticket|booking|policy|case|invoice|tracking|confirmation|reservation|reference|ref|shipment"
    r"|parcel|application|appointment|refund|incident|docket|quote|member|membership|group"
    r"|bestellung|auftrag|rechnung|buchung|reservierung|mitgliedschaft|vertrag|vorgang|sendung|vertragskonto|zähler"
    r"|commande|facture|dossier|réservation|contrat|colis|pedido|factura|fatura|reserva|contrato|expediente|envío"
    r"|ordine|fattura|prenotazione|pratica|contratto|spedizione|encomenda|protocolo"
    r"|bestelling|factuur|boeking|dossier|zamówienie|zamówienia|faktura|rezerwacja|ärende|bokning|beställning|sipariş|rezervasyon"
    r"|заказ|заказа|заявка|бронь|договор)"
)
_FILE_NUMBER = re.compile(
    r"(?i:(?: (?:number|no|nr|num|id|ref|reference|code)\b)?(?: (?:is|was|with|under|ending in|est|ist|es|è|é))?"
    r"[ .:]{0,3}(?:nº|n°|nr|no|№)?[ .:]{0,2})"
    r"(#\s?[A-Za-z0-9]{2,20}(?:[-/_.][A-Za-z0-9]{1,20}){0,5}"
    r"|(?:[A-Z]{1,6}[- ])?(?=[\w/-]{0,24}\d[\w/-]{0,24}\d)[A-Za-z0-9]{1,20}(?:[-/][A-Za-z0-9]{1,20}){1,5}"
    r"|(?:[A-Z]{2,5} ?\d{4,14}|\d{6,20}|[A-Z]{1,3}\d{3,}[A-Z0-9]{0,12})(?: \d{2,6}){0,3})(?![\w])",
)
_PNR = re.compile(
    r"(?<![\w-])(?:[Bb]ooking|[Rr]eservation|[Cc]onfirmation|PNR|[Rr]ecord locator|[Bb]uchung\w*|[Rr]éservation|[Rr]eserva|[Pp]renotazione)"
    r"(?: (?:ref|reference|code|number|no))?\.?(?: is)?[ :#]{1,3}([A-Z0-9]{6})(?![\w])"
)
_PNR_WORDS = frozenset(
    "booking reservation confirmation pnr locator buchung buchungscode réservation reserva prenotazione".split()
)
_FILE_WORDS = frozenset(_FILES[3:-1].split("|"))
# Fewer digits than three make a plate or a PIN, too.
_LEAST_DIGITS = {"vehicle_id": 2, "card": 12, "national_id": 4, "bank_account": 4}
_TYPES = {"pin": "password", "security code": "account_number"}
# Chinese, Japanese and Korean labels: no blanks around them.
_UNSPACED_LABELS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (type_, re.compile(phrases))
    for type_, phrases in (
        (
            "national_id",
            "身份证|身分證|身分证|社会保障|社保|マイナンバー|個人番号|住民票コード|基礎年金番号|운전|주민등록|주민번호|税号|納税者",
        ),
        ("passport", "护照|護照|パスポート|旅券|여권"),
        ("driver_licence", "驾驶证|驾照|駕照|运転免許|運転免許|免許証|운전면허|면허"),
        (
            "medical_record",
            "病历|病歷|住院号|就诊卡|医保|保险单|保单|診察券|患者番号|患者ID|カルテ|保険証|証券番号|환자|보험|의료보험|진료",
        ),
        ("bank_account", "银行账号|银行账户|银行卡|銀行帳戶|账号|帐号|账户|开户|口座|계좌|통장"),
        (
            "account_number",
            "会员|客户编?号|用户ID|用户编号|订单|工号|学号|学籍番号|快递单号|员工编号|合同编?号|会員|顧客番号|お客様番号|注文番号|社員番号|予約番号|契約番号|회원|고객|주문"
            "|사번|학번|예약|운송장",
        ),
        ("vehicle_id", "车牌|車牌|车架号|ナンバープレート|車台番号|차량|번호판"),
        ("device_id", "序列号|設備|设备号|シリアル|製造番号|시리얼|일련번호"),
        ("card", "卡号|信用卡|カード番号|クレジットカード|카드"),
        ("password", "验证码|暗証番号|인증번호|비밀번호 "),
        ("username", "微信号|微信|QQ号|QQ|用户名|ユーザー名|ユーザーID|アカウント|아이디|사용자"),
    )
)
_UNSPACED_VALUE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9]{0,30}(?:[-./_ ][A-Za-z0-9]{1,30}){0,6}"
    r"|[\u4e00-\u9fff][A-Z][·• -]?[A-Z0-9]{4,6}|[\u4e00-\u9fff]{1,4} ?\d{2,3} ?[\u3040-\u309f]"
    r" ?\d{2}-?\d{2}|\d{2,3}[가-힣] ?\d{4}",
    re.ASCII,
)
_USERNAME = re.compile(
    r"(?<![^\W_])(?:user[\s_-]?name|username|user[\s_-]?id|userid|login(?: name| id)?|log[\s-]?in"
    r"|screen[\s_-]?name|nick(?:name)?|handle|gamertag|psn|skype(?: id)?|discord(?: id| tag| name)?"
    r"|telegram|instagram|insta|ig|twitter|tiktok|snapchat|snap|github|gitlab|reddit|twitch|linkedin"
    r"|facebook|venmo|cash ?app|steam(?: id)?|kik|wechat(?: id)?|line id|account[\s_-]?name|accountname"
    r"|user account|alias"
    r"|benutzername|nutzername|anmeldename|benutzerkennung|nom d['’]utilisateur|identifiant"
    r"|pseudo(?:nyme)?|(?:nombre de )?usuario|nombre de usuario|nome utente|utente|usuário|nome de"
    r" (?:usuário|utilizador)|utilizador|gebruikersnaam|nazwa użytkownika|login|użytkownik|användarnamn"
    r"|brukernavn|brugernavn|käyttäjä(?:tunnus|nimi)|имя пользователя|логин|ник|kullanıcı (?:adı|adım)"
    r"|उपयोगकर्ता नाम|اسم المستخدم|שם משתמש)"
    r"(?![^\W_])",
)
_USERNAME_HINTS = frozenset(
    "user username userid login log screen screenname nick nickname handle gamertag psn skype discord"
    " telegram instagram insta ig twitter tiktok snapchat snap github gitlab reddit twitch linkedin"
    " facebook venmo cash cashapp steam kik wechat line"
    " account accountname alias benutzername nutzername anmeldename benutzerkennung utilisateur"
    " identifiant pseudo pseudonyme usuario nombre nome utente usuário utilizador gebruikersnaam nazwa"
    " użytkownik użytkownika användarnamn brukernavn brugernavn"
    " käyttäjätunnus käyttäjänimi имя логин ник kullanıcı उपयोगकर्ता اسم שם".split()
)
_USERNAME_STRONG = re.compile(
    r"[\s\"'`*_]{0,3}(?:(?:is|was|est|es|ist|è|é|jest|är|er|это|name|handle|id"
    r"|account)[\s\"'`*:]{1,3}){0,2}(?:[:=→>-][\s\"'`*]{0,3}(?:is\s)?|[\s\"'`*(]{1,3}(?=@)|(?<=is )"
    r"|(?<=est )|(?<=es )|(?<=ist )|(?<=è )|(?<=é ))[\"'`*@]{0,2}"
)
_MENTION = re.compile(
    r"(?<![\w.@/:+-])@[A-Za-z_][A-Za-z0-9_]{2,30}(?:\.[A-Za-z0-9_]{2,20})?(?![\w/@(-]|\.\w|:\d)", re.ASCII
)
_MENTION_WORDS = frozenset(
    "twitter instagram insta ig telegram discord tiktok snapchat snap handle dm username threads mastodon"
    " youtube twitch tweet tweeted venmo folge suivez sígueme siga seguici volg obserwuj följ".split()
)
_VIN = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-HJ-NPR-Z]{0,16}\d)(?=\d{0,16}[A-HJ-NPR-Z])[A-HJ-NPR-Z0-9]{11}[A-HJ-NPR-Z0-9]{2}\d{4}(?![A-Za-z0-9])"
)
_VIN_VALUES = {
    **{str(digit): digit for digit in range(10)},
    **dict(
        zip(
            "ABCDEFGHJKLMNPRSTUVWXYZ",
            (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9),
            strict=True,
        )
    ),
}
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_PLATE = re.compile(
    r"(?<![\w-])(?:[A-ZÄÖÜ]{1,3}[- ][A-Z]{1,2} ?\d{1,4}[EH]?|[A-Z]{2}-\d{3}-[A-Z]{2}|[A-Z]{2}\d{2}"
    r" [A-Z]{3}|[A-Z]{2}\d[A-Z0-9]{2,3}|[A-Z]{2}[ -]?\d{3}[ -]?[A-Z]{2}|\d{4} ?[BCDFGHJKLMNPRSTVWXYZ]{3}"
    r"|[A-Z]{3}[ -]?\d{3,4}|\d[A-Z]{3}\d{3}|[A-Z]{3}\d[A-Z]\d{2}|[A-Z]{2} ?\d{4,5}[A-Z]?"
    r"|\d{2}-[A-Z]{3}-\d|[A-Z]{1,2}-\d{2,3}-[A-Z]{2,3}|[A-Z]{3} \d{2}[A-Z0-9])(?![\w-])"
)
_PLATE_WORDS = re.compile(
    r"\b(?:plates?|licen[cs]e plate|registration|kennzeichen|nummernschild|immatricul\w+|plaque|matrícula"
    r"|placas?|targa\w*|kenteken\w*|rejestrac\w+|registrering\w*|regnr|tablic\w*|plaka\w*|car|vehicle|van"
    r"|truck|auto|voiture|coche|macchina|carro|samochód|bil|wagen)\b"
)
# The same words, to ask first whether one is there at all.
_PLATE_EXACT = frozenset(
    "plate plates registration kennzeichen nummernschild plaque matrícula placa placas regnr car vehicle van truck auto"
    " voiture coche macchina carro samochód bil wagen".split()
)
_PLATE_STEMS = ("immatricul", "targa", "kenteken", "rejestrac", "registrering", "tablic", "plaka")
_IMEI = re.compile(r"(?<![\w.+-])\d{2}[ -]?\d{6}[ -]?\d{6}[ -]?\d(?![\w]|[-.]\d)", re.ASCII)
_IFSC = re.compile(r"(?<![A-Za-z0-9])[A-Z]{4}0[A-Z0-9]{6}(?![A-Za-z0-9])")
_BIC = re.compile(r"(?<![A-Za-z0-9])[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?(?![A-Za-z0-9])")
_BIC_WORDS = frozenset(
    "swift bic bank iban transfer wire überweisung bankverbindung virement banque banco banca"
    " transferencia bonifico przelew".split()
)


# Who logs in where: `ssh ann@host`, `curl -u ann:…`, `Accepted password for ann from …`, `/home/ann/`, `TODO(ann)`.
_LOGINS = re.compile(
    r"(?<![\w-])(?:-u|--user|--username) ['\"]?(?P<a>[A-Za-z][\w.-]{2,40}):(?P<pw>[^\s'\"@]{4,60})"
    r"|(?:password|publickey|session opened|session closed|login|invalid user|failed|accepted|account)"
    r" for (?:invalid )?(?:user )?(?P<b>[A-Za-z][\w.-]{2,40})(?= |,|\.?$|\.\s|\(|\n)"
    r"|(?:TODO|FIXME|XXX|HACK|NOTE)\((?P<c>[A-Za-z][\w.-]{2,30})\)"
    r"|(?:/home/|/Users/|\\Users\\|\\\\Users\\\\)(?P<d>[A-Za-z][\w.-]{2,30})(?=[/\\\s\"'])"
    r"|\b(?:user|login|username) (?P<g>[a-z][\w.-]{2,30}),?(?= (?:and )?(?:pass|pw|pwd|password)\b)"
    r"|\buser (?P<f>[a-z][a-z._-]{1,20}\d{1,5})(?= |$|\n|,)"
    r"|(?:^|\s)ssh (?:-\S+ )*(?P<e>[A-Za-z][\w.-]{2,30})@",
    re.IGNORECASE,
)
_LOGIN_WORDS = frozenset(
    "curl wget ssh sshd home users todo fixme xxx hack user password publickey session login".split()
)
_LOGIN_SIGNS = (
    *(
        "-u ",
        "--user",
        "todo(",
        "fixme(",
        "xxx(",
        "hack(",
        "note(",
        "/home/",
        "/users/",
        "\\users\\",
        "user ",
    ),
    *(
        "password for ",
        "publickey for ",
        "opened for ",
        "closed for ",
        "login for ",
        "failed for ",
        "accepted for ",
    ),
    *("account for ", "username ", "login ", "ssh "),
)
_COMMON_LOGINS = frozenset(
    "root admin user users ubuntu ec2-user postgres mysql www-data nobody guest test username name"
    " your-username public shared node app vscode runner git jenkins docker deploy default all the this"
    " that your user1 you me my her his login local".split()
)


def find_labelled_numbers(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Values behind their labels; also mentions (@name), VINs, plates, BICs, IMEIs beside words that speak of them."""
    text, lower = chat.text, chat.lower
    if chat.digits:
        for label in _LABELS.find(chat):
            yield from _value(text, label)
        if chat.has_any(_FILE_WORDS):
            yield from _file_numbers(chat)
        if chat.unspaced or chat.hangul:
            yield from _unspaced_values(text)
        yield from _vehicles_and_devices(chat)
    if chat.has_any(_BIC_WORDS):
        for match in _BIC.finditer(text):
            value = match.group()
            if any(map(str.isdigit, value)) or re.search(
                r"(?:swift|bic)\W{0,3}(?:code|number)?\W{0,3}(?:is )?\W{0,2}$",
                lower[max(0, match.start() - 24) : match.start()],
            ):
                yield IdentifierSpan("bank_account", *match.span())
    if chat.has_any(_LOGIN_WORDS) and any(sign in lower for sign in _LOGIN_SIGNS):
        for match in _LOGINS.finditer(text):
            group = next(name for name in "abcdefg" if match.group(name))
            name = match.group(group)
            told = group in "ceg" or any(not character.islower() for character in name) or group in "ad"
            if name.lower() not in _COMMON_LOGINS and told:
                yield IdentifierSpan("username", *match.span(group))
            if match.group("pw"):
                yield IdentifierSpan("password", *match.span("pw"))
    if chat.has_any(_USERNAME_HINTS):
        yield from _usernames(text, lower)
    if "@" in text:
        named = chat.has_any(_MENTION_WORDS)
        for match in _MENTION.finditer(text):
            if not match.start() or text[max(0, match.start() - 40) : match.start()].rstrip(" \t")[-1:] in (
                "",
                "\n",
            ):
                continue  # a decorator or an annotation
            if named or any(character.isdigit() or character in "_." for character in match.group()[1:]):
                yield IdentifierSpan("username", *match.span())


def _value(text: str, label: Announcement) -> Iterator[IdentifierSpan]:
    connector = _CONNECTOR.match(text, label.end, min(len(text), label.end + 90))
    place = connector.end() if connector else label.end
    pattern = _PIN if label.kind in ("pin", "security code") else _CODE
    match = pattern.match(text, place, min(len(text), place + 70))
    if match is None or text[place - 1].isalnum():
        return
    value = match.group()
    digits, least = sum(map(str.isdigit, value)), _LEAST_DIGITS.get(label.kind, 3)
    if digits < least or len(re.sub(r"[\W_]", "", value)) < max(least, 3):
        return
    if _is_year_or_amount(text, match) or re.fullmatch(r"v?\d{1,3}(?:\.\d{1,3}){1,3}", value):
        return
    yield IdentifierSpan(_TYPES.get(label.kind, label.kind), *match.span())


def _file_numbers(chat: ChatText) -> Iterator[IdentifierSpan]:
    text = chat.text
    for word in _FILE_WORDS & chat.words:
        for start in chat.word_starts[word]:
            if text[start - 1 : start] in ("-", "_", ".", "/"):
                continue
            match = _FILE_NUMBER.match(text, start + len(word))
            if match is None:
                continue
            value = match.group(1)
            least = 5 if value[0] == "#" and word in ("ref", "case") else 4
            if sum(map(str.isdigit, value)) >= least and not _is_date_like(value):
                yield IdentifierSpan("account_number", *match.span(1))
    if chat.has_any(_PNR_WORDS):
        for match in _PNR.finditer(text):
            yield IdentifierSpan("account_number", *match.span(1))


_DATE_LIKE = re.compile(r"\d{1,4}[-/]\d{1,2}(?:[-/]\d{1,4})?|\d{4}[-/]\d{4}|\d{1,3}[-/]\d{1,3}", re.ASCII)


def _is_date_like(value: str) -> bool:
    return _DATE_LIKE.fullmatch(value) is not None


def _is_year_or_amount(text: str, match: re.Match[str]) -> bool:
    value, after = match.group(), text[match.end() : match.end() + 12]
    if re.fullmatch(r"(?:19|20)\d\d", value) and not re.search(
        r"[:#=]\W{0,3}$", text[max(0, match.start() - 4) : match.start()]
    ):
        return True
    return bool(_TIME_OR_AMOUNT.match(after)) or text[match.start() - 1 : match.start()] in ("$", "€", "£")


def _unspaced_values(text: str) -> Iterator[IdentifierSpan]:
    for type_, phrases in _UNSPACED_LABELS:
        for match in phrases.finditer(text):
            connector = _CONNECTOR_UNSPACED.match(text, match.end())
            place = connector.end() if connector else match.end()
            value = _UNSPACED_VALUE.match(text, place, min(len(text), place + 60))
            if value is not None and (
                len(re.sub(r"\D", "", value.group())) >= 3
                or (type_ == "username" and len(value.group()) >= 4)
            ):
                yield IdentifierSpan(type_, *value.span())


def _usernames(text: str, lower: str) -> Iterator[IdentifierSpan]:
    for match in _USERNAME.finditer(lower):
        connector = _USERNAME_STRONG.match(text, match.end(), min(len(text), match.end() + 40))
        if connector is None:
            plain = _PLAIN_HANDLE.match(text, match.end())
            if plain is not None:
                yield IdentifierSpan("username", *plain.span(1))
            continue
        value = _HANDLE.match(text, connector.end(), min(len(text), connector.end() + 60))
        if value is None:
            continue
        handle = value.group()
        told = any(character.isdigit() or character in "_.@-" for character in handle)
        tight = connector.group().rstrip(" \"'`*@").endswith((":", "=")) or text[connector.end() - 1] == "@"
        word = handle.isalpha() and (handle.islower() or handle.istitle())
        if (
            (told or tight or not word)
            and handle.lower() not in _NO_HANDLES
            and not handle.startswith("http")
        ):
            yield IdentifierSpan("username", *value.span())


# Right behind the name of a service what has figures or signs in it: `discord n1ghtowl#4432`.
_PLAIN_HANDLE = re.compile(r"[ :]{1,2}((?=[\w.#-]{0,30}[\d_#])[A-Za-z][\w.-]{2,30}(?:#\d{4})?)(?![\w.(])")
_NO_HANDLES = frozenset(
    "and or the with for password name string str none null true false email your username user required"
    " optional text varchar int not get set int bool admin root self request form input value".split()
)


def _vehicles_and_devices(chat: ChatText) -> Iterator[IdentifierSpan]:
    text = chat.text
    for start, end in chat.number_windows:
        for match in _VIN.finditer(text, start, end):
            if _is_vin(match.group()):
                yield IdentifierSpan("vehicle_id", *match.span())
        for match in _IMEI.finditer(text, start, end):
            digits = re.sub(r"\D", "", match.group())
            if "imei" in chat.words or (
                len(set(digits)) > 3 and digits[:2] in ("35", "86", "01") and _luhn(digits)
            ):
                yield IdentifierSpan("device_id", *match.span())
    if "ifsc" in chat.words or "bank" in chat.words:
        for match in _IFSC.finditer(text):
            yield IdentifierSpan("bank_account", *match.span())
    if (
        chat.has_any(_PLATE_EXACT) or any(stem in chat.lower for stem in _PLATE_STEMS)
    ) and _PLATE_WORDS.search(chat.lower):
        for match in _PLATE.finditer(text):
            if _PLATE_WORDS.search(chat.lower, max(0, match.start() - 60), min(len(text), match.end() + 30)):
                yield IdentifierSpan("vehicle_id", *match.span())


def _luhn(digits: str) -> bool:
    doubled = sum(int(d) * 2 - 9 * (int(d) > 4) for d in digits[-2::-2])
    return (sum(int(d) for d in digits[-1::-2]) + doubled) % 10 == 0


def _is_vin(value: str) -> bool:
    """ISO 3779 check digit where it holds; elsewhere a VIN is known by its label."""
    total = sum(
        _VIN_VALUES[character] * weight for character, weight in zip(value, _VIN_WEIGHTS, strict=True)
    )
    return "0123456789X"[total % 11] == value[8]
