"""Languages as tags (`en`, `pt-BR`): what a log says of a language goes into tables that hold no text."""

from __future__ import annotations

import re
from functools import lru_cache

LANGUAGE_TAG = "[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,4}){0,2}"
LONGEST_NAME = 40  # characters
_TAG = re.compile(LANGUAGE_TAG)

# ISO 639-1 with the names that public chat corpora use.
_NAMES = """
af Afrikaans; sq Albanian; am Amharic; ar Arabic; hy Armenian; as Assamese; az Azerbaijani; eu Basque; be Belarusian;
bn Bengali; bs Bosnian; br Breton; bg Bulgarian; my Burmese; ca Catalan; ny Chichewa; zh Chinese; co Corsican; hr Croatian;
cs Czech; da Danish; nl Dutch; en English; eo Esperanto; et Estonian; fo Faroese; fi Finnish; fr French; fy Frisian;
gl Galician; lg Ganda; ka Georgian; de German; el Greek; gu Gujarati; ht Haitian; ha Hausa; he Hebrew; hi Hindi;
hu Hungarian; is Icelandic; ig Igbo; id Indonesian; ia Interlingua; ga Irish; it Italian; ja Japanese; jv Javanese;
kn Kannada; kk Kazakh; km Khmer; rw Kinyarwanda; ko Korean; ku Kurdish; ky Kyrgyz; lo Lao; la Latin; lv Latvian;
ln Lingala; lt Lithuanian; lb Luxembourgish; mk Macedonian; mg Malagasy; ms Malay; ml Malayalam; mt Maltese; mi Maori;
mr Marathi; mn Mongolian; ne Nepali; nb Bokmal; nn Nynorsk; no Norwegian; oc Occitan; or Oriya; om Oromo; ps Pashto;
fa Persian; pl Polish; pt Portuguese; pa Punjabi; qu Quechua; ro Romanian; rm Romansh; ru Russian; sm Samoan; sa Sanskrit;
gd Scottish Gaelic; sr Serbian; st Sesotho; sn Shona; sd Sindhi; si Sinhala; sk Slovak; sl Slovenian; so Somali; es Spanish;
su Sundanese; sw Swahili; sv Swedish; tl Tagalog; tg Tajik; ta Tamil; tt Tatar; te Telugu; th Thai; bo Tibetan; ti Tigrinya;
ts Tsonga; tn Tswana; tr Turkish; tk Turkmen; ug Uyghur; uk Ukrainian; ur Urdu; uz Uzbek; vi Vietnamese; vo Volapuk;
cy Welsh; wo Wolof; xh Xhosa; yi Yiddish; yo Yoruba; zu Zulu; nb Norwegian Bokmal; nn Norwegian Nynorsk; fil Filipino;
zh Mandarin; zh Chineset; fa Farsi; es Castilian; tl Filipino (Tagalog); ht Haitian Creole; ga Gaelic; ky Kirghiz
"""
_TAGS = {
    name.strip().casefold(): tag
    for tag, name in (entry.strip().split(" ", 1) for entry in _NAMES.replace("\n", " ").split(";"))
}


def language_tag(value: str) -> str | None:
    """The tag of a language that is given by its tag or its English name; None for anything else."""
    return _tag_of(value) if len(value) <= LONGEST_NAME else None


@lru_cache(maxsize=1024)
def _tag_of(value: str) -> str | None:
    tag = _TAGS.get(value.strip().casefold())
    return tag or (value if _TAG.fullmatch(value) else None)
