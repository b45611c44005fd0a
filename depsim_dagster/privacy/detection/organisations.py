"""Companies and institutions that tie a text to a person: by their legal form, or as somebody's employer or school."""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detection.labels import LabelTable
from depsim_dagster.privacy.detection.name_words import NOT_ALONE

_U = r"[^\W\d_a-zà-öø-ÿßа-яё]"
_W = rf"{_U}[\w'’&.-]{{0,30}}"
_FORMS = (
    r"(?:Inc\.?|Incorporated|LLC|L\.L\.C\.|LLP|Ltd\.?|Limited|PLC|plc|Corp\.?|Corporation|Co\.|Company"
    r"|GmbH(?: & Co\.? ?(?:KGa?A?|OHG))?|AG|KGaA|KG|OHG|e\.V\.|e\.K\.|UG|mbH|Stiftung|SE|S\.A\.S?\.?|SA"
    r"|SAS|SARL|S\.à r\.l\.|SNC|EURL|SCI|S\.L\.U?\.?|SL|S\.A\. de C\.V\.|S\.C\.|Ltda\.?|LTDA|EIRELI|ME"
    r"|S\.p\.A\.|SpA|S\.r\.l\.|Srl|s\.r\.l\.|S\.n\.c\.|B\.V\.|BV|N\.V\.|NV|VOF|Sp\. z o\.o\.|sp\. z"
    r" o\.o\.|Sp\. j\.|S\.Coop\.|S\.A\.T\.|S\.L\.L\.|S\.L\.N\.E|S\.A\.|Spółka|AB|HB|KB|Oy|Oyj|ApS|A/S|AS"
    r"|ASA|Pty\.? Ltd\.?|Pvt\.? Ltd\.?|and Sons|& Sons|& Co\.?|and Associates|& Associates|& Partners"
    r"|Group|Holdings|A\.Ş\.|Ltd\. Şti\.|ООО|ОАО|ЗАО)"
)
_SUFFIXED = re.compile(
    rf"(?<![\w]){_W}(?:(?: |, |,? & |,? and | y | e | et | und | i )(?:(?:de|of|the|du|der|van|von)"
    rf" )?{_W}){{0,4}},? {_FORMS}(?![\w])"
)
_RUSSIAN = re.compile(
    r"(?:ООО|ОАО|ЗАО|ПАО|ИП|АО) ?[«\"][^»\"\n]{2,60}[»\"]|(?:ООО|ОАО|ЗАО|ПАО|ИП|АО) [А-ЯЁ][\w-]{1,30}(?:"
    r" [А-ЯЁ][\w-]{1,30}){0,2}"
)
_UNSPACED = re.compile(
    r"(?:株式会社|有限会社|合同会社)[\u3040-\u30ff\u4e00-\u9fffA-Za-z]{1,12}"
    r"|[\u3040-\u30ff\u4e00-\u9fffA-Za-z]{1,12}(?:株式会社|有限会社|合同会社)|[\u4e00-\u9fff]{2,16}?(?:有限公司|股份公司|集团公司"
    r"|有限责任公司)|(?:주식회사|\(주\)|㈜) ?[가-힣A-Za-z]{1,15}|[가-힣A-Za-z]{1,15} ?(?:주식회사|\(주\)|㈜)"
)
_WORDS = frozenset(
    "inc incorporated llc llp ltd limited plc corp corporation co company gmbh ag kg kgaa ohg ug mbh se"
    " sa sas sarl snc eurl sl ltda eireli me spa srl bv nv vof oo ab hb kb oy oyj aps as asa pty pvt sons"
    " associates partners group holdings stiftung spółka şti ş"
    " c v e s".split()
)
_EMPLOYERS = LabelTable(
    {
        "organisation": """
            (work|works|worked|working|employed|employee|intern|interned|interning|contractor|engineer|
            manager|developer|consultant|analyst|director|nurse|teacher|position|job|role|career) (at|for|
            by|with|of); (studied|study|studies|studying|student|professor|graduated|enrolled|degree) (at|
            from|in); employer [name]; company name; companyname; company; organization; organisation;
            my (company|employer|school|university)
            (arbeite|arbeitet|angestellt|tätig) (bei|für); arbeitgeber; firma; (travaille|employé|
            employée) (chez|à|pour); employeur; (entreprise|société); (trabajo|trabaja|empleado|
            trabajaba) (en|para); (empresa|empleador|compañía); (lavoro|lavora|impiegato) (presso|per|in|
            da|alla); (azienda|datore di lavoro); (trabalho|trabalha|funcionário) (na|no|em|para|da|do);
            empregador; (werk|werkt|werkzaam) (bij|voor); (werkgever|bedrijf); (pracuję|pracuje) (w|dla);
            (pracodawca); (jobbar|arbetar|anställd) (på|hos|för); (arbetsgivare|företag); (работаю|
            работает) в; (работодатель|компания); (çalışıyorum); şirket
        """
    }
)
_AFTER = re.compile(
    rf"[\s:=\"'*_`]{{1,6}}(?:the |a |an |der |die |la |el |il |o |l['’])?({_W}(?:(?: |, | & | and | of |"
    rf" de | der | für | y | e )(?:the )?{_W}){{0,4}})"
)


def find_organisations(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Companies by legal form, employers and schools by context."""
    text = chat.text
    if chat.has_any(_WORDS):
        for match in _SUFFIXED.finditer(text):
            if text[match.start() - 1 : match.start()] not in (".", "_", "@", "/"):
                yield IdentifierSpan("organisation", *match.span())
    if not text.isascii():
        for pattern in (_RUSSIAN, _UNSPACED):
            for match in pattern.finditer(text):
                yield IdentifierSpan("organisation", *match.span())
    for label in _EMPLOYERS.find(chat):
        match = _AFTER.match(text, label.end)
        if (
            match is not None
            and match.group(1).split()[0].casefold() not in NOT_ALONE
            and len(match.group(1)) > 2
        ):
            value = match.group(1).rstrip(".,'’")
            yield IdentifierSpan("organisation", match.start(1), match.start(1) + len(value))
