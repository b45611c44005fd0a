"""Words that belong to everybody: they stay where a detail is replaced, because they say nothing of anybody.

What a street, a company or an account is called beside its name, titles and particles of names, hosts where anybody
has a mail box or a page.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Of people.
TITLES = _words(
    """
    mr mrs ms miss mx dr prof professor sir madam lord lady rev father sister brother captain judge herr
    frau fräulein señor señora señorita sr sra srta don doña monsieur madame mademoiselle mme mlle
    signor signora signorina senhor senhora dom dona jr ii iii iv phd md esq mba meneer mevrouw pan pani
    господин госпожа
    """
)
PARTICLES = _words(
    """
    de da do dos das del della di la las los le lo van von der den ter ten du des y e i bin ibn bint al
    el abu zu zur vom af av ben bat o d mac mc st and und et
    """
)
# Words that begin a sentence or are a month as often as they are a name: not replaced where they stand alone.
AMBIGUOUS_NAMES = _words(
    """
    will may mark bill art hope grace faith joy rich long young best love june april august summer dawn
    rose page chase grant drew miles guy ray sky star sunny major king queen prince duke so do an le in
    my he she
    """
)
COMPOUND_FAMILY_NAMES = _words(
    """
    欧阳 歐陽 司马 司馬 诸葛 諸葛 上官
    司徒 东方 東方 独孤 南宫 南宮 夏侯 皇甫 尉迟 公孙 慕容 令狐 长孙 宇文
    轩辕 端木 남궁 황보 제갈 선우 독고 사공 서문
    """
)
# Of streets and places, by language.
STREET_WORDS: dict[str, frozenset[str]] = {
    "en": _words(
        """
        street st road rd avenue ave lane ln drive dr boulevard blvd court ct way place pl square sq
        terrace close crescent circle cir parkway pkwy highway hwy trail trl alley row walk gardens
        grove hill mews park plaza apt apartment suite ste unit floor flat house building block lot
        po box room bldg  north south east west northern
        southern eastern western new old upper lower saint san santa port fort mount lake beach upon
        by near united kingdom states
        """
    ),
    "de": _words(
        """
        straße strasse str weg platz gasse allee ring damm ufer hof am im an der den dem zum zur auf
        bei in vom alte alter neue bad sankt haus wohnung stock
        """
    ),
    "es": _words(
        """
        calle avenida avda paseo plaza carrera camino ronda travesía barrio edificio piso puerta
        escalera núm número no n nº de del la las los el y san santa
        """
    ),
    "pt": _words(
        """
        rua avenida travessa praça alameda largo estrada rodovia bairro apto bloco andar de dos das
        do da e são santo santa
        """
    ),
    "fr": _words(
        """
        rue chemin impasse allée avenue boulevard quai cours place route passage bis ter des du le
        les la de l d à au aux sur sous en bâtiment étage saint sainte
        """
    ),
    "it": _words(
        """
        via viale piazza corso vicolo largo strada di dei degli delle della dello del da interno
        scala san santa
        """
    ),
    "nl": _words(
        """
        straat laan plein gracht kade dijk van het de den
        """
    ),
    "pl": _words(
        """
        ulica ul aleja al plac pl os osiedle
        """
    ),
    "sv": _words(
        """
        gata gatan väg vägen
        """
    ),
    "no": _words(
        """
        gate gata vei veien
        """
    ),
    "da": _words(
        """
        gade vej
        """
    ),
    "cs": _words(
        """
        ulice náměstí
        """
    ),
    "ru": _words(
        """
        улица ул проспект пр переулок пер площадь пл дом д квартира кв шоссе ш бульвар корпус корп г
        город
        """
    ),
    "tr": _words(
        """
        mahallesi mah sokak sk caddesi cad no daire
        """
    ),
    "id": _words(
        """
        jalan jl gang no
        """
    ),
}
ALL_STREET_WORDS = frozenset().union(*STREET_WORDS.values())
STREET_SUFFIXES = _words(
    "straße strasse straat laan plein gracht gatan gata gate vägen veien vej gade weg platz gasse allee ring damm utca"
)
STATES = _words(
    """
    AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA
    RI SC SD TN TX UT VT VA WA WV WI WY
    """
)  # of the USA, as an address has them
# What ends the name of a Chinese, Japanese or Korean place or street, and of a company.
PLACE_ENDINGS = "省市县區区州府都道郡町村镇鎮乡鄉路街巷弄號号里段室楼樓栋棟座丁目番地시도군구읍면동리로길"
# Providers of mail boxes for everybody, and sites that hold a page of anybody.
PROVIDERS = _words(
    """
    gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.fr yahoo.co.jp hotmail.com hotmail.co.uk
    hotmail.fr outlook.com live.com msn.com icloud.com me.com aol.com proton.me protonmail.com gmx.de
    gmx.net web.de t-online.de mail.ru yandex.ru qq.com 163.com 126.com sina.com naver.com daum.net
    hanmail.net orange.fr free.fr laposte.net wanadoo.fr libero.it uol.com.br bol.com.br terra.com.br
        """
)
SITES = _words(
    """
    linkedin.com github.com gitlab.com bitbucket.org twitter.com x.com facebook.com instagram.com
    tiktok.com youtube.com reddit.com medium.com t.me telegram.me stackoverflow.com vk.com weibo.com
    zhihu.com bilibili.com pinterest.com threads.net snapchat.com twitch.tv soundcloud.com spotify.com
    xing.com orcid.org researchgate.net scholar.google.com github.io substack.com wordpress.com
    blogspot.com tumblr.com flickr.com vimeo.com patreon.com paypal.me behance.net dribbble.com
    kaggle.com huggingface.co mastodon.social discord.gg wa.me calendly.com
    """
)
# Of hosts and paths.
PUBLIC_LABELS = _words("www mail smtp ftp git db server api app m local localhost")
# Beside the countries' own, which have two letters; a rarer one becomes one of these.
TOP_LEVELS = _words("com org net edu gov info dev app cloud example local localhost internal")
SECOND_LEVELS = _words(
    """
    co com org net ac gov edu gob nom or ne go
    """
)
PATH_WORDS = _words(
    """
    in pub user users u profile profiles people person members member id page pages channel author
    authors c r o p post posts status photos videos repos watch about me contact team view html php aspx
    index http https www
    """
)
# Of an address that is spelled out.
AT_WORDS = _words(
    """
    at arroba chiocciola klammeraffe arobase собака
    """
)
DOT_WORDS = _words(
    """
    dot punkt point punto ponto точка underscore dash hyphen
    """
)
# Of companies and institutions.
COMPANY_WORDS = _words(
    """
    sp z o o j k spółka gbr kgaa ev e v stiftung fratelli figli coop scarl eirl ltda me eireli cia et fils ve san tic aş şti
    inc ltd llc llp plc corp corporation company co gmbh ag kg ohg se sa sas sarl srl spa sl bv nv oy ab
    as aps kk pty group holding holdings partners associates sons brothers international global
    solutions services systems technologies technology consulting university college school academy
    institute hospital clinic medical center centre church bank insurance foundation trust department
    ministry agency office hotel restaurant of and the for de la le du des del di da do für und et y e
    universität schule klinik krankenhaus universidad universidade université hôpital lycée banco banque
    ооо зао оао ао
    """
)
COMPANY_FORMS = sorted(
    _words(
        """
        股份有限公司 有限责任公司 有限公司 株式会社 合同会社 有限会社 合資会社 大学 医院 病院 银行 銀行 公司 学校 集团 주식회사
        유한회사 대학교 병원 은행
        """
    ),
    key=len,
    reverse=True,
)
