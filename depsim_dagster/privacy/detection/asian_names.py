"""Names of persons in Chinese, Japanese and Korean, Arabic, Hindi: scripts without capitals.

A name is announced (我叫, 氏名, 씨, اسمي), bears an honorific (先生, さん, 님), or is a family name and a given name by the
characters that such names are written with, provided that no word of the language is written so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from depsim_dagster.privacy.detection.asian_name_words import (
    AR_LINKS,
    AR_STOP,
    CHINESE_DOUBLE,
    CHINESE_FAMILY,
    CHINESE_GIVEN,
    CN_TITLES,
    HI_STOP,
    JP_AFTER,
    JP_FAMILY_SET,
    KOREAN_FAMILY,
    KR_AFTER,
    KR_COMMON,
    KR_PARTICLE_ENDINGS,
    KR_STOP,
    NOT_NAMES_CN,
    OCCUPATION,
)
from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.gazetteers import gazetteer
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan

_CN_BEFORE = re.compile(
    r"(?:我叫做?|叫做|名叫|名字(?:是|叫|为|:|：)|名为|姓名(?:是|为)?|我是|这是|這是|我的名字是|本人|联系人|聯絡人|收件人|收货人|寄件人|发件人|患者|病人|客户|顾客"
    r"|用户|员工|同事|朋友|同学|老师|老板|经理|先生|女士|户名|持卡人|申请人|负责人|经办人|委托人|原告|被告|证人|投保人|被保险人|受益人|签名|签字|署名|亲爱的|尊敬的|你好|您好"
    r"|嗨|儿子|女儿|妻子|丈夫|老公|老婆|妈妈|爸爸|哥哥|姐姐|弟弟|妹妹|孩子|邻居|医生|护士|律师|作者|导师|校友|给|找|问|请|和|跟|与|由|让|叫"
    r"|姓名栏)[\s:：是为，,、“\"「]{0,4}"
)
_CN_STRONG = re.compile(
    r"(?:我叫|叫做|名叫|名字(?:是|叫|为)|名为|姓名|联系人|收件人|收货人|户名|持卡人|申请人|患者|本人)[\s:：是为“\"「]{0,4}$"
)
_CN_RUN = re.compile(rf"(?:{CHINESE_DOUBLE}|[{CHINESE_FAMILY}])[\u4e00-\u9fff]{{1,2}}")
_CN_TITLED = re.compile(rf"((?:{CHINESE_DOUBLE}|[{CHINESE_FAMILY}])[\u4e00-\u9fff]{{0,2}}?)(?:{CN_TITLES})")
# An entry of a list, or a signature: `2. 刘瑜 138…`.
_CN_LISTED = re.compile(
    rf"^[ \t]*(?:[-*•]|\d{{1,3}}[.、)）])?[ \t]*((?:{CHINESE_DOUBLE}"
    rf"|[{CHINESE_FAMILY}])[\u4e00-\u9fff]{{1,2}})(?=[ \t]*(?:$|[\n|:：,，(（]|[ \t][+\dA-Za-z]))",
    re.MULTILINE,
)
_CN_END = re.compile(
    rf"$|[^\u4e00-\u9fff]|(?:{CN_TITLES})|[，。、！？的是在和与跟说问给到对要想了也都今已年出住电身于向把被将从为有来去写打送帮发代做寄]"
)

_JP_NAME = re.compile(
    rf"(?:{'|'.join(sorted(JP_FAMILY_SET, key=lambda name: (-len(name), name)))})[ 　・]?(?:[\u4e00-\u9fff々]{{1,3}}"
    rf"|(?!さん|さま|くん|ちゃん|です|から|まで|では|には|とは)[\u3041-\u3096]{{2,4}}|[\u30a1-\u30fa]{{2,5}})?"
)
_JP_ANNOUNCED = re.compile(
    r"(?:私は|わたしは|僕は|俺は|名前は|氏名は?|お名前|名前|名前:|担当者?は?|担当:|患者|患者様|連絡先|宛先|宛名|差出人|申込者|契約者|代表者|受取人|名義人?は?|口座名義"
    r"|カード名義|署名|友人の|友達の|同僚の|上司の|部下の|夫の|妻の|息子の|娘の|弟の|妹の|兄の|姉の|母の|父の"
    r"|社員の)[\s:：　はが、「『]{0,4}([\u4e00-\u9fff々]{1,4}["
    r" 　・]?[\u4e00-\u9fff\u3041-\u3096\u30a1-\u30fa々ー]{0,5}?)(?=と申|です|だ|でござ|と言|といい|という|さん|様|氏|、|。|」|』|\s"
    r"|,|\(|（|は|が|の|に|を|へ|と|も|$)"
)
_JP_SELF = re.compile(
    r"(?<![\u4e00-\u9fff])([\u4e00-\u9fff々]{1,4}[ 　]?[\u4e00-\u9fff\u3041-\u3096々]{0,4}?)(?=と申し|といいます|と言います)"
)
_KATAKANA_NAMED = re.compile(
    r"([\u30a1-\u30faー]{2,10}(?:[・＝][\u30a1-\u30faー]{2,12}){0,2})(?:さん|様|氏|くん|ちゃん|先生)"
)
_KATAKANA_FULL = re.compile(
    r"[\u30a1-\u30faー]{2,10}[・＝][\u30a1-\u30faー]{2,12}(?:[・＝][\u30a1-\u30faー]{2,12})?"
)
_NAMED_ALL = re.compile(
    rf"([\u4e00-\u9fff々]{{2,5}}["
    rf" 　]?[\u4e00-\u9fff々\u3041-\u3096]{{0,3}}?)(?:{JP_AFTER})(?![\u4e00-\u9fff])"
)

_KR_NAME = re.compile(
    rf"(?<![가-힣])((?:[{KOREAN_FAMILY}]|남궁|황보|제갈|선우|독고|사공)[ ]?[가-힣]{{2}})(?= ?(?:{KR_AFTER})|(?:입니다|이에요"
    rf"|예요|이라고|라고|이고|이며|이야|가|이|은|는|을|를|의|에게|께서|께|와|과|랑|이랑|도|만|한테|에|아|야)?(?:[\s,.!?;:)\]\"'」』]|$))"
)
_KR_ANNOUNCED = re.compile(
    r"(?:이름은|성함은|이름|성명|제 이름은|저는|나는|내 이름은|담당자(?:는)?|환자(?:명)?|고객(?:명)?|예금주|받는 ?(?:사람|분)|보내는 ?(?:사람|분)|수령인"
    r"|신청인|계약자|연락처|대표자|친구|동료|상사|남편|아내|아들|딸|동생|형|누나|언니|오빠|어머니|아버지|선생님|의사)[\s:：]{1,3}([가-힣]{2,4})(?=입니다|이에요"
    r"|예요|이라고|라고|이고|이며|씨|님|은|는|이|가|을|를|의|에게|께|와|과|도|[\s,.!?;:)]|$)"
)

_KR_SELF = re.compile("입니다|이에요|예요|이라고 |라고 ")

_AR_LETTERS = "\u0621-\u064a\u064b-\u0652\u0670\u0671-\u06d3"
_AR_STRONG = re.compile(
    r"(?:اسمي(?: هو)?|إسمي|اسمه|اسمها|يدعى|تدعى|السيد|السيدة|الأستاذ|الأستاذة|الدكتور|الدكتورة|د\."
    r"|المهندس|المهندسة|الاسم(?: الكامل)?|اسم (?:العميل|المريض|الموظف|المستلم|المستفيد))[\s:،\"]{1,3}"
)
_AR_WEAK = re.compile(
    r"(?:أنا|انا|العميل|المريض|مع تحيات|عزيزي|عزيزتي|مرحبا|مرحباً|صديقي|صديقتي|زوجي|زوجتي|أخي|أختي|ابني"
    r"|ابنتي|إلى|من|مع)[\s:،\"]{1,3}"
)
_AR_WORD = re.compile(f"[{_AR_LETTERS}]{{2,20}}")
_HI_STRONG = re.compile(
    r"(?:(?:मेरा|मेरी|उनका|उसका|इनका|आपका|जिसका) (?:पूरा )?नाम|नाम|श्री|श्रीमती|सुश्री|डॉ\.?|डॉक्टर"
    r"|कुमारी)[\s:\-–\"]{1,3}"
)
_HI_WEAK = re.compile(r"(?:प्रिय|ग्राहक|मरीज|रोगी|मैं|दोस्त|भाई|बहन|पति|पत्नी|बेटा|बेटी|नमस्ते)[\s:,\-–\"]{1,3}")
_HI_SELF = re.compile("मैं ([\u0900-\u0963]{2,20}) ([\u0900-\u0963]{2,20}) (?:हूँ|हूं|बोल)")
_HI_WORD = re.compile("[\u0900-\u0963\u0971-\u097f’']{2,20}")


def find_asian_names(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Names of persons in scripts without capitals."""
    text = chat.text
    if chat.unspaced:
        spans = [*_chinese(text), *_japanese(text)]
        yield from (IdentifierSpan("person", *span) for span in spans)
        yield from _again(text, spans)
    if chat.hangul:
        spans = list(_korean(text))
        yield from (IdentifierSpan("person", *span) for span in spans)
        yield from _again(text, spans)
    if chat.uncased:
        for script in (_ARABIC, _DEVANAGARI):
            for match in script.strong.finditer(text):
                yield from _words_of_name(text, match.end(), script, True)
            for match in script.weak.finditer(text):
                yield from _words_of_name(text, match.end(), script, False)
            yield from _rows(text, script.word)
        for match in _HI_SELF.finditer(text):
            first, last = gazetteer().lexeme(match.group(1)), gazetteer().lexeme(match.group(2))
            if first.first and last.last >= 4:
                yield IdentifierSpan("person", match.start(1), match.end(2))


def _again(text: str, spans: list[tuple[int, int]]) -> Iterator[IdentifierSpan]:
    """A name that was recognised, wherever the text repeats it."""
    for value in sorted({text[start:end] for start, end in spans if end - start >= 3})[:40]:
        place = text.find(value)
        while place >= 0:
            yield IdentifierSpan("person", place, place + len(value))
            place = text.find(value, place + len(value))


def _word(value: str) -> int:
    return gazetteer().lexeme(value).word


def _chinese(text: str) -> Iterator[tuple[int, int]]:
    for match in _CN_TITLED.finditer(text):
        name = match.group(1)
        if (
            name
            and (len(name) == 1 or all(c in CHINESE_GIVEN for c in name[1:]) or _word(name) < 5)
            and _word(match.group()) < 6
        ):
            yield match.span(1)
    for match in _CN_BEFORE.finditer(text):
        strong = _CN_STRONG.search(text[max(0, match.end() - 12) : match.end()]) is not None
        name = _CN_RUN.match(text, match.end())
        if name is None:
            if (
                strong
                and (
                    other := re.compile(r"[\u4e00-\u9fff·]{2,8}(?=[，。,.;；！!\s]|$)").match(
                        text, match.end()
                    )
                )
                and other.end() - other.start() <= 4
            ):
                yield other.span()
            continue
        span = _chinese_name(text, name, 12 if strong else 8)
        if span:
            yield span
    for match in _CN_LISTED.finditer(text):
        if (
            _word(match.group(1)) < 6
            and match.group(1)[:2] not in NOT_NAMES_CN
            and match.group(1)[-1] not in OCCUPATION
        ):
            yield match.span(1)
    position = 0
    while (match := _CN_RUN.search(text, position)) is not None:
        position = match.start() + 1
        span = _chinese_name(text, match, 6)
        if span and (
            span[0] == 0
            or not "\u4e00" <= text[span[0] - 1] <= "\u9fff"
            or text[span[0] - 1] in "的和与跟给问找请让叫是说由被把向对，、"
        ):
            alone = (
                not "\u3040" <= text[span[0] - 1 : span[0]] <= "\u9fff"
                and not "\u3040" <= text[span[1] : span[1] + 1] <= "\u9fff"
            )
            if _CN_END.match(text, span[1]) and (
                span[1] - span[0] >= 3 or alone or text[span[0] - 1 : span[0]] == "的"
            ):
                yield span
                position = span[1]


def _chinese_name(text: str, match: re.Match[str], most: int) -> tuple[int, int] | None:
    """Family name and one or two characters, by what follows and by what the language uses as words."""
    start, end = match.span()
    double = re.match(CHINESE_DOUBLE, text[start:end])
    family = 2 if double else 1
    best = None
    for length in (family + 2, family + 1):
        value = text[start : start + length]
        if len(value) < length or not all("\u4e00" <= character <= "\u9fff" for character in value):
            continue
        given = value[family:]
        if value in NOT_NAMES_CN or value[:2] in NOT_NAMES_CN or value[-1] in OCCUPATION:
            continue
        likely = all(character in CHINESE_GIVEN for character in given)
        if _word(value) >= most or (not likely and most < 12):
            continue
        if _CN_END.match(text, start + length):
            return start, start + length
        if best is None and likely:
            best = (start, start + length)
    return best if most >= 8 else None


def _japanese(text: str) -> Iterator[tuple[int, int]]:
    for match in _JP_ANNOUNCED.finditer(text):
        value = match.group(1)
        plain = re.sub("[ 　・]", "", value)
        if len(plain) >= 2 and (
            plain[:2] in JP_FAMILY_SET
            or plain[:3] in JP_FAMILY_SET
            or (_word(plain) < 6 and len(plain) >= 3)
            or gazetteer().lexeme(plain).first >= 5
        ):
            yield match.span(1)
    for match in _JP_SELF.finditer(text):
        lexeme = gazetteer().lexeme(match.group(1))
        if max(lexeme.first, lexeme.last) >= 4 or match.group(1)[:2] in JP_FAMILY_SET:
            yield match.span(1)
    for match in _JP_NAME.finditer(text):
        value = match.group()
        after = text[match.end() : match.end() + 2]
        titled = re.match(JP_AFTER, text[match.end() : match.end() + 3])
        family_only = next((f for f in (value[:3], value[:2], value[:1]) if f in JP_FAMILY_SET), value)
        if not titled and re.match(JP_AFTER, value[len(family_only) :] + text[match.end() : match.end() + 3]):
            yield match.start(), match.start() + len(family_only)
            continue
        family = re.split("[ 　・]", value)[0]
        gap = " " in value or "　" in value
        if (
            titled
            and (_word(value) < 11 or value in JP_FAMILY_SET)
            or gap
            and family in JP_FAMILY_SET
            and len(value) >= 4
        ):
            yield match.span()
        elif len(value) >= 4 and _word(value) < 6 and value not in JP_FAMILY_SET and not after[:1].isdigit():
            before = text[match.start() - 1] if match.start() else " "
            tail = value[len(max((f for f in JP_FAMILY_SET if value.startswith(f)), key=len)) :]
            if (
                not "\u4e00" <= before <= "\u9fff"
                and "\u4e00" <= tail[:1] <= "\u9fff"
                and not re.match("[市区町村県都府駅川山通店社会学校部課線橋島]", tail[-1:])
                and not "\u4e00" <= after[:1] <= "\u9fff"
            ):
                yield match.span()
    for match in _NAMED_ALL.finditer(text):
        value = match.group(1)
        if (
            _word(value) < 6
            and 2 <= len(value.replace(" ", "")) <= 5
            and (gazetteer().lexeme(value).last or value[:2] in JP_FAMILY_SET)
        ):
            yield match.span(1)
    for match in _KATAKANA_NAMED.finditer(text):
        if _word(match.group(1)) < 8:
            yield match.span(1)
    for match in _KATAKANA_FULL.finditer(text):
        parts = re.split("[・＝]", match.group())
        if any(gazetteer().lexeme(part).first >= 2 or _word(part) == 0 for part in parts[:1]):
            yield match.span()


def _korean(text: str) -> Iterator[tuple[int, int]]:
    for match in _KR_ANNOUNCED.finditer(text):
        value = match.group(1)
        if value[0] in KOREAN_FAMILY and value not in KR_STOP and _word(value) < 8:
            yield match.span(1)
    for match in _KR_NAME.finditer(text):
        value = match.group(1).replace(" ", "")
        titled = re.match(rf" ?(?:{KR_AFTER})", text[match.end() : match.end() + 5])
        if value in KR_STOP or value[-1] in KR_PARTICLE_ENDINGS and not titled:
            continue
        given = gazetteer().lexeme(value[-2:])
        introduced = _KR_SELF.match(text, match.end()) is not None
        known = given.first > 0 or gazetteer().lexeme(value).first > 0
        if (titled and _word(value) < 8) or (
            known and value[0] in KR_COMMON and given.word < 7 + 2 * introduced and _word(value) < 5
        ):
            yield match.span(1)


@dataclass(frozen=True)
class _Script:
    """How a script without capitals announces names, and which words end one."""

    word: re.Pattern[str]
    strong: re.Pattern[str]
    weak: re.Pattern[str]
    stop: frozenset[str]
    links: frozenset[str]
    joined_and: str


_ARABIC = _Script(_AR_WORD, _AR_STRONG, _AR_WEAK, AR_STOP, AR_LINKS, "و")
_DEVANAGARI = _Script(_HI_WORD, _HI_STRONG, _HI_WEAK, HI_STOP, frozenset(), "")


def _words_of_name(text: str, place: int, script: _Script, strong: bool) -> Iterator[IdentifierSpan]:
    """The words behind an announcement up to one that ends a name."""
    lexeme_of = gazetteer().lexeme
    end, count = place, 0
    position = place
    while count < 5 and (match := script.word.match(text, position)) is not None:
        value = match.group()
        lexeme = lexeme_of(value)
        if value in script.stop:
            break
        if script.joined_and and value.startswith(script.joined_and) and not lexeme.first and count:
            break
        if count == 0 and not strong and not (lexeme.first >= 3 and lexeme.word < 12):
            break
        if count and not strong and not (lexeme.last >= 3 or value in script.links):
            break
        if strong and count >= 2 and lexeme.word >= 9 and lexeme.last < 3 and value not in script.links:
            break
        end, count = match.end(), count + 1
        if text[end : end + 1] != " ":
            break
        position = end + 1
    if count:
        yield IdentifierSpan("person", place, end)


def _rows(text: str, pattern: re.Pattern[str]) -> Iterator[IdentifierSpan]:
    """Two or more neighbouring words that are names above all."""
    lexeme_of = gazetteer().lexeme
    row: list[tuple[int, int, int, int]] = []

    def whole() -> Iterator[IdentifierSpan]:
        if len(row) >= 2 and row[0][2] + max(last for *_, last in row[1:]) >= 14:
            yield IdentifierSpan("person", row[0][0], row[-1][1])

    for match in pattern.finditer(text):
        lexeme = lexeme_of(match.group())
        first, last = lexeme.first - max(0, lexeme.word - 8), lexeme.last - max(0, lexeme.word - 8)
        if row and text[row[-1][1] : match.start()] != " ":
            yield from whole()
            row.clear()
        if first >= 5 or (row and last >= 4):
            row.append((*match.span(), first, last))
        else:
            yield from whole()
            row.clear()
    yield from whole()
