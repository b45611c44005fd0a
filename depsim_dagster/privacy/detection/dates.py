"""Dates of birth, dates of a person's treatment or death, and ages over 89 (Safe Harbor).

Other dates are left alone. A date counts where words of birth stand before it (or a form field does), and beside such
a date. Years alone count only as a year of birth.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detection.labels import LabelTable

_MONTHS = (
    r"jan(?:uary|uar|vier|eiro|ero|uari|uár|vāris|\.)?|feb(?:ruary|ruar|rero|braio|ruari|\.)?|fév(?:rier"
    r"|\.)?|fev(?:ereiro|\.)?|mar(?:ch|s|zo|ço|\.)?|märz|maart|mrt|mrz|apr(?:il|ile|\.)?|avr(?:il|\.)?"
    r"|abr(?:il|\.)?"
    r"|may|mai|mayo|maio|maggio|mei|maj|jun[ei]?|juni|juin|junio|junho|giu(?:gno)?|jul[iy]?|juli"
    r"|juil(?:let|\.)?|julio|julho|lug(?:lio)?|aug(?:ust|usti|ustus|\.)?|août|aout|ago(?:sto|\.)?"
    r"|sep(?:t|tember|tembre|tiembre|\.)?|sept\.?|set(?:embro|tembre|\.)?|okt(?:ober|\.)?|oct(?:ober|obre"
    r"|ubre|\.)?|out(?:ubro)?|ott(?:obre)?|nov(?:ember|embre|iembre|embro|\.)?|dec(?:ember|\.)?"
    r"|dez(?:ember|embro|\.)?|déc(?:embre|\.)?|dic(?:iembre|embre|\.)?|gen(?:naio)?|ene(?:ro)?"
    r"|stycz\w{1,4}|lut(?:ego|y)|mar(?:ca|zec)|kwiet\w{1,4}|maja|czerw\w{1,4}|lip(?:ca|iec)|sierp\w{1,4}"
    r"|wrze\w{1,5}|paźdz\w{1,7}|listopad\w?|grud\w{1,4}"
    r"|januari|februari|mars|augusti|oktober|desember|tammikuuta|helmikuuta|maaliskuuta|huhtikuuta"
    r"|toukokuuta|kesäkuuta|heinäkuuta|elokuuta|syyskuuta|lokakuuta|marraskuuta|joulukuuta"
    r"|ocak|şubat|mart|nisan|mayıs|haziran|temmuz|ağustos|eylül|ekim|kasım|aralık"
    r"|январ\w|феврал\w|марта?|апрел\w|ма[йя]|июн\w|июл\w|августа?|сентябр\w|октябр\w|ноябр\w|декабр\w"
    r"|січня|лютого|березня|квітня|травня|червня|липня|серпня|вересня|жовтня|листопада|грудня"
    r"|يناير|فبراير|مارس|أبريل|إبريل|مايو|يونيو|يوليو|أغسطس|سبتمبر|أكتوبر|نوفمبر|ديسمبر"
    r"|जनवरी|फ़?रवरी|फरवरी|मार्च|अप्रैल|मई|जून|जुलाई|अगस्त|सितंबर|सितम्बर|अक्टूबर|नवंबर|नवम्बर|दिसंबर|दिसम्बर"
)
_YEAR = r"(?:1[89]\d\d|20\d\d)"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_ORDINAL = r"(?:st|nd|rd|th|er|º|ª|°|\.|-?го|ste|de|e)?"
_DATE = re.compile(
    r"(?<![A-Za-z0-9_.])(?:"
    rf"{_YEAR}[-/. ]{{1,2}}(?:0?[1-9]|1[0-2])[-/. ]{{1,2}}{_DAY}(?!\d)(?:[T"
    rf" ]\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:\.\d{{1,6}})?(?:Z|[+-]\d\d:?\d\d)?)?"
    rf"|\d{{1,2}}[ ]?[-/.][ ]?\d{{1,2}}[ ]?[-/.][ ]?(?:{_YEAR}|\d{{2}})(?!\d)"
    rf"|(?:the )?{_DAY}{_ORDINAL}(?:[ \u00a0,-]{{1,2}}(?:of|de|di|day of))?["
    rf" \u00a0./-]{{1,2}}(?:{_MONTHS})(?!\w)(?:[ ,.\u00a0/-]{{1,3}}(?:de |del |of |in )?(?:{_YEAR}"
    rf"|['’]?\d{{2}}(?!\d)))?"
    rf"|(?:{_MONTHS})(?!\w)[ .\u00a0/-]{{1,2}}(?:the )?{_DAY}{_ORDINAL}(?!\d)(?:[ ,.\u00a0/-]{{1,3}}(?:of"
    rf" )?(?:{_YEAR}|['’]\d{{2}}(?!\d)))?"
    rf"|(?:{_MONTHS})(?!\w)[ ,.\u00a0/-]{{1,2}}(?:of |de |del )?{_YEAR}(?!\d)"
    rf"|{_YEAR} ?[年년](?: ?\d{{1,2}} ?[月월](?: ?\d{{1,2}} ?[日일])?)?|(?:昭和|平成|令和|大正)\s?(?:\d{{1,2}}"
    rf"|元)年(?:\d{{1,2}}月\d{{1,2}}日)?|\d{{1,2}}月\d{{1,2}}日"
    r"|(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)|(?:0[1-9]|1[0-2]|[12]\d"
    r"|3[01])(?:0[1-9]|[12]\d|3[01])(?:19|20)\d\d(?!\d)"
    r")",
    re.IGNORECASE,
)
_YEAR_ONLY = re.compile(
    r"(?<![\w.])(?:in |im jahr |im |en |nel |em |w |i |v )?(1[89]\d\d|20[0-2]\d)(?![\w-]|\.\d)", re.IGNORECASE
)

_BIRTH = LabelTable(
    {
        "birth_date": """
            (dob|d o b|dateofbirth|birthdate|birthday|birthdays|bday|birth|born|birthed|bod|birthyear|
            birth year|birth day)
            date of birth; birth date; birthdate; born [on|in|at]; birthday [is|on]; year of birth
            geboren* [am|im|in]; geburtsdatum; geburtstag*; geburtsjahr; geb; jahrgang
            né [le|en]; née [le|en]; naissance; date de naissance; anniversaire; nés
            (nací|nacido|nacida|nacio|nació|nacimiento|cumpleaños|nacer); fecha de nacimiento; f nac
            (nato|nata|nascita|compleanno|nacqui|nacque) [il|a]; data di nascita
            (nasci|nasceu|nascido|nascida|nascimento|aniversário|nascem); data de nascimento
            (geboren|geboortedatum|verjaardag|geb); geboortejaar
            (urodzon*|urodzenia|urodziny|urodzin|urodził*|ur); data urodzenia
            (född|födelsedatum|födelsedag*|födelseår|født|fødselsdato|fødselsdag*|fødd|syntynyt|
            syntymäaika|syntymäpäivä*)
            (родил*|рожден*|рождён*|рождения|народив*|народжен*); дата рождения; день рождения; д р
            (doğum*|dogum*|doğdu*) [tarih*]
            (जन्म|जन्मतिथि|जन्मदिन); जन्म तिथि; (مواليد|ميلاد|الميلاد|ولدت|ولد|تاريخ الميلاد); (נולדתי|
            לידה|נולד|נולדה); (lahir); tanggal lahir; sinh ngày; narozen*; született; születés*;
            γεννήθηκ*; γέννησης; născut*; nașterii
        """,
        "date": """
            (admitted|admission|discharged|discharge|deceased|died|death|passed away|dod|hospitalized|
            hospitalised|operated|surgery|diagnosed|treated|visit|visited|appointment|seen|hired|hire|
            married|wedding|divorced|enrolled|arrested|hospitalised|transferred|fired|dictated|
            transcribed|started working|start working|starts work|moved in|moved out|funeral|flying out|
            arriving|departing|checking in|check in|expiry|issued|expires|vaccinated|immunized|procedure|
            follow up|exam|examination|scan|biopsy|delivery|baptized) [on|date|of]
            (admission|discharge|service|visit|death|hire|start|appointment|procedure|surgery|treatment|
            enrollment|marriage|wedding|issue|expiry|expiration|record|report|encounter|dictation|
            arrest) date; date of (admission|discharge|
            service|visit|death|hire|appointment|procedure|surgery|treatment|marriage|injury|incident|
            loss|exam|issue|expiry)
            (sinds|seit dem|operat*|operaron|intervenid*|hospitaliz*|ziekenhuis|eingeliefert) [il|el|op|
            am]; (aufgenommen|entlassen|gestorben|verstorben*|aufnahmedatum|entlassungsdatum|sterbedatum|
            todestag|eingestellt|gekündigt|entbunden|eingezogen|ausgezogen|verheiratet|untersuchung*|
            operation|operiert|termin); (admis|admise|hospitalisé*|
            décédé*|décès|sortie|embauché*|licencié*|marié*|divorcé*|rendez vous|consultation|opéré*);
            (ingresado|ingresada|ingreso|
            alta|ingresó|casó|casé|despidieron|despidió|contrataron|fallecido|fallecida|falleció|cita|
            operado|operada|contratado); (ricoverato|ricoverata|
            ricovero|dimesso|dimessa|deceduto|deceduta|morto|visita|assunto|assunta|operato); (internado|
            internada|internação|demitiu|demitido|demitida|contratado|contratada|casei|faleceu|falecido|
            alta|consulta|cirurgia|admitido); (opgenomen|ontslagen|
            overleden|afspraak|geopereerd); (przyjęt*|wypisan*|zmarł*|wizyt*|operacj*); (inskriven|
            utskriven|avliden|opererad); (поступил*|выписан*|умер*|госпитализир*)
        """,
    }
)
_UNSPACED_BIRTH = re.compile("生年月日|誕生日|生まれ|出生|生日|生于|生於|생년월일|생일|출생|태어")
_UNSPACED_CARE = re.compile("入院|出院|死亡|去世|退院|手術|手术|就诊|受診|입원|퇴원|사망|수술")
_NEAR = 44
_AGE = re.compile(
    r"(?<![A-Za-z0-9_.,$€£#-])(9\d|1[01]\d)(?:(?:[ -]{1,2}(?:year|yr)s?[ -]{1,2}old|[ -]?(?:y/?o|yo)|["
    r" ]?(?:years? of age|ans|años|anni|anos|jahre(?: alt)?|jahren|jährige\w?|jaar(?: oud)?|lat\b|år(?:"
    r" gammal)?|yaşında\w*|лет|года?|वर्ष|साल|سنة|عاما))(?![\w])|\s?(?:歳|才|岁|歲|세|살))"
    r"|(?:\baged?|\balter\b|\bâge|\bedad|\betà|\bidade|\bleeftijd|\bwiek|\bålder|\bвозраст|年齢|年龄"
    r"|나이)(?:[\s\"':=]{1,5}|\s(?:is|of|:)\s)(9\d|1[01]\d)(?![\w.%])"
    r"|\b(?:i am|i['’]m|he is|she is|he['’]s|she['’]s|is now|turned|turning|turns) (9\d"
    r"|1[01]\d)(?![\w.%°]| ?(?:percent|kg|lbs?|pounds|cm|degrees|minutes|miles|km|hours|days|points|on "
    r"|of ))",
    re.IGNORECASE,
)
# `My mom … is 93`, `Meine Oma … ist jetzt 92`.
_ELDERS = frozenset(
    "mom mum mother dad father grandma grandmother grandpa grandfather granny nana aunt uncle neighbor neighbour husband wife he she"
    " oma opa mutter vater mère père grand abuela abuelo madre padre nonna nonno mãe pai avó avô moeder vader mormor farmor"
    " babcia dziadek бабушка дедушка мама папа".split()
)
_ELDER_AGE = re.compile(
    r"(?<!\w)(?:mom|mum|mother|dad|father|grandma|grandmother|grandpa|grandfather|granny|nana|aunt|uncle|neighbou?r|husband|wife"
    r"|he|she|oma|opa|mutter|vater|grand-?(?:mère|père)|abuel[ao]|nonn[ao]|mãe|pai|avó|avô|moeder|vader|mormor|farmor|babcia|dziadek)(?!\w)"
    r"[^!?;\n]{0,70}?(?<!\w)(?:is|turns|turned|ist|wird|est|a|tiene|ha|tem|är|ma)(?: (?:now|already|jetzt|schon|maintenant|ya|già|já|nu))?"
    r" (9\d|10\d)(?=[.,;!?\n]|$| and | und | et | y | e )",
    re.IGNORECASE,
)
_AGE_WORDS = frozenset(
    "year years yr yrs yo age aged old am m s turned turning turns is ans años anni anos jahre jahren"
    " jährige jähriger jaar lat år yaşında yaşındayım лет год года वर्ष साल سنة عاما alter âge edad età"
    " idade leeftijd wiek ålder возраст".split()
)


def find_dates(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Birth dates, personal dates with their words, ages over 89."""
    if not chat.digits:
        return
    text = chat.text
    for label in _BIRTH.find(chat):
        yield from _dates_after(text, label.kind, label.start, label.end)
    told = chat.words & _NOTE_WORDS
    if len(told) >= 2:
        notes = sorted(place for word in told for place in chat.word_starts[word])
        for match in _DATE.finditer(text):
            beside = bisect_right(notes, match.end() + 160) > bisect_left(notes, match.start() - 160)
            if beside and _DAY_TOLD.search(match.group()) and any(map(str.isdigit, match.group())):
                yield IdentifierSpan("date", *_trimmed(text, match))
    if chat.unspaced or chat.hangul:
        for kind, pattern in (("birth_date", _UNSPACED_BIRTH), ("date", _UNSPACED_CARE)):
            for match in pattern.finditer(text):
                yield from _dates_after(text, kind, match.start(), match.end())
    aged = any(_may_be_age(text, *number) for number in chat.numbers)
    if aged and chat.has_any(_ELDERS):
        for match in _ELDER_AGE.finditer(text):
            yield IdentifierSpan("age", *match.span(1))
    if aged and (chat.unspaced or chat.hangul or chat.has_any(_AGE_WORDS)):
        for match in _AGE.finditer(text):
            group = next(place for place in (1, 2, 3) if match.group(place))
            yield IdentifierSpan("age", *match.span(group))


def _may_be_age(text: str, start: int, end: int) -> bool:
    """A number from 90 to 119."""
    return (
        text[start] == "9" if end - start == 2 else end - start == 3 and text[start : start + 2] in _HUNDREDS
    )


_HUNDREDS = frozenset(("10", "11"))


def _dates_after(text: str, kind: str, start: int, end: int) -> Iterator[IdentifierSpan]:
    """Dates in the words after an announcement, or right before it (`5 May 1970 (born)`, `1970年5月5日生まれ`)."""
    limit = min(len(text), end + _NEAR)
    found = False
    for match in _DATE.finditer(text, end, min(len(text), limit + 24)):
        if match.start() > limit:
            break
        found = True
        yield IdentifierSpan(kind, *_trimmed(text, match))
        # A second date beside it: `born 5 May 1970, died 6 June 2010`.
        limit = min(limit, match.end() + 12)
    if not found:
        if kind == "birth_date":
            year = _YEAR_ONLY.search(text, end, min(len(text), end + 26))
            if year is not None:
                yield IdentifierSpan(kind, *year.span(1))
                return
        for match in _DATE.finditer(text, max(0, start - 44), start):
            between = text[match.end() : start]
            if len(between) <= 10 or (
                kind == "birth_date" and len(between) <= 26 and _IN_TOWN.fullmatch(between)
            ):
                yield IdentifierSpan(kind, *_trimmed(text, match))


# `am 17. Mai 1931 in Breslau geboren`.
_IN_TOWN = re.compile(r" (?:in|im|en|w|te|i) [^\W\d_][^\d.;:!?\n]{1,20} ")
# Of these a doctor's note holds several; the dates beside them are the patient's.
_NOTE_WORDS = frozenset(
    "patient pt mrn dob diagnosis admission discharge admitted discharged hospital physician attending yo surgery"
    " illness medications mg dictated patientin diagnose aufnahme entlassung anamnese paciente diagnóstico ingreso"
    " urgencias patiente diagnostic paziente diagnosi ricovero terapia".split()
)
_DAY_TOLD = re.compile(r"\d\D+\d|[^\W\d_]{3}\D{0,4}\d|\d\D{0,4}[^\W\d_]{3}")


def _trimmed(text: str, match: re.Match[str]) -> tuple[int, int]:
    start, end = match.span()
    while end > start and text[end - 1] in " ,.":
        end -= 1
    return start, end
