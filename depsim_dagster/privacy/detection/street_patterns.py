"""How streets, boxes and what follows them up to the state are written in some fifteen languages.

Patterns only; which of them is tried on a text is privacy/detection/addresses.py. Every repetition is bounded.
"""

from __future__ import annotations

import re

_U = r"[^\W\d_a-zà-öø-ÿßа-яё]"  # a capital, or a letter of a script without case
W = rf"{_U}[\w.'’-]{{0,30}}"
# Suffixes of streets of the USPS and of Britain, in full and as written short.
SUFFIX = (
    r"(?:Alley|Aly|Annex|Arcade|Avenue|Ave|Av|Bayou|Beach|Bend|Bluffs?|Bottom|Boulevard|Blvd|Branch"
    r"|Bridge|Brooks?|Burgs?|Bypass|Camp|Canyon|Cape|Causeway|Centers?|Centre|Circles?|Cir|Cliffs?|Close"
    r"|Club|Common|Commons|Corners?|Course|Courts?|Ct|Coves?|Creek|Crescent|Cres|Crest|Crossing|Crossroad"
    r"|Curve|Dale|Dam|Divide|Drives?|Dr|Estates?|Expressway|Extensions?|Falls?|Ferry|Fields?|Flats?"
    r"|Fords?|Forest|Forges?|Forks?|Fort|Freeway|Fwy|Gardens?|Gateway|Gate|Glens?|Greens?|Groves?"
    r"|Harbors?|Haven|Heights|Hts|Highway|Hwy|Hills?|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?|Knolls?"
    r"|Lakes?|Land|Landing|Lane|Ln|Lights?|Loaf|Locks?|Lodge|Loop|Mall|Manors?|Meadows?|Mews|Mills?"
    r"|Mission|Motorway|Mount|Mountains?|Neck|Orchard|Oval|Overpass|Parade|Parks?|Parkways?|Pkwy|Pass"
    r"|Passage|Path|Pike|Pines?|Place|Pl|Plains?|Plaza|Plz|Points?|Ports?|Prairie|Promenade|Quay|Radial"
    r"|Ramp|Ranch|Rapids?|Rest|Ridges?|Rise|River|Roads?|Rd|Route|Row|Rue|Run|Shoals?|Shores?|Skyway"
    r"|Springs?|Spurs?|Squares?|Sq|Station|Stravenue|Stream|Streets?|St|Summit|Terrace|Ter|Throughway"
    r"|Trace|Track|Trafficway|Trail|Trl|Tunnel|Turnpike|Underpass|Unions?|Valleys?|Viaduct|Views?"
    r"|Villages?|Ville|Via|Vista|Walks?|Wall|Ways?|Wells?|Wharf|Wynd|Yard)"
)
_STRONG_SUFFIX = (
    r"(?:street|avenue|road|lane|drive|boulevard|terrace|crescent|highway|parkway|st|ave|rd|ln|dr|blvd"
    r"|hwy|pkwy)"
)
_UNIT = (
    r"(?:,?[ \n]{0,2}(?:Apt|apt|suite|unit|flat|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|Building"
    r"|Bldg|Block|Lot|Studio|PO Box|P\.O\. Box|Box|No|Level|Penthouse|#)\.?[ ]?(?:No\.? ?)?#?["
    r" ]?\w{1,6}(?:[-/]\w{1,4})?)"
)
_DIRECTION = r"(?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West)\.? )?"
_DIRECTION_AFTER = r"(?:,? (?:N|S|E|W|NE|NW|SE|SW|North|South|East|West)\b\.?(?! [A-Z][a-z]))?"
US_STATES = (
    r"(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]|T[NX]"
    r"|UT|V[TA]|W[AVIY]|PR|GU|VI|AS|MP|FM|MH|PW|AA|AE|AP"
    r"|Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii"
    r"|Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan"
    r"|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New"
    r" York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|South Carolina"
    r"|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming"
    r"|AB|BC|MB|NB|NL|NS|NT|NU|ON|PE|QC|SK|YT|NSW|VIC|QLD|TAS|ACT|Ontario|Quebec|British Columbia|Alberta)"
)
UK_CODE = r"(?:[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|GIR ?0AA)"
POSTCODE = (
    rf"(?:{UK_CODE}|[A-Z]\d[A-Z] ?\d[A-Z]\d|(?:[A-Z]{{1,2}}-)?\d{{5}}(?:-?\d{{3,4}})?|\d{{4}}"
    rf" ?[A-Z]{{2}}|\d{{2}}-\d{{3}}|\d{{3}} \d{{2}}|(?:[A-Z]{{1,2}}-)?\d{{4}}(?:-\d{{3}})?|\d{{6}}"
    rf"|\d{{3}}-\d{{4}})"
)
_T = rf"(?:(?:St|Ste|Mt|Ft|Sta|Sto)\. )?{_U}(?:[^\W\d_]|['’]){{0,30}}(?!\w)"
TOWN = (
    rf"(?:(?:da|de|do|dos|das|del|la|les|los|den|'s|’s) )?{_T}(?:(?:[ -](?:de|du|des|la|le|les|sur|sous"
    rf"|en|am|an der|im|in|ob der|bei|aan|den|op|upon|on|under|of|do|da|dos|das|del|los|las|di|sul|nad"
    rf"|d['’]|l['’]))?[ -]{_T}){{0,4}}"
)
# What may follow a street, over a line break or a comma: unit, district, postal code and town in either order, state, country.
_REST = (
    rf"(?:{_UNIT}){{0,3}}"
    rf"(?:(?: ?, ?\n?|,? [-–] ?| \| )(?!\n)(?:{POSTCODE}(?![\w])(?:[, \n]{{1,2}}{TOWN})?|{TOWN})"
    # On the next line only what fills it, and no field of its own.
    rf"| ?\n(?:{POSTCODE}(?![\w])(?:[, ]{{1,2}}{TOWN})?|{TOWN}(?=[ ]?(?:[,.\n]|$|\d|[A-Z]{{1,2}}\d"
    rf"|(?:[A-Z]{{2}},? )\d)))){{0,4}}"
    rf"(?:(?:[ ,]{{1,2}}|\n)(?:{US_STATES}\b[ ,]{{0,2}})?{POSTCODE}(?![\w-]))?(?:["
    rf" ,]{{1,2}}\([A-Z]{{2}}\))?(?:(?: ?[/,-] ?| )[A-Z]{{2}}(?![\w]))?"
)
ENGLISH = re.compile(
    rf"(?<![\w.$€£#:/-])(?:{_UNIT}[, \n]{{1,2}})?(?:\d{{1,5}}"
    rf" (?=\d))?\d{{1,6}}(?:-\d{{1,5}})?[A-Za-z]?(?: ?[½¼])?,? {_DIRECTION}(?![AP]M ){W}(?: {W}){{0,4}}"
    rf" {SUFFIX}(?![\w'])\.?{_DIRECTION_AFTER}{_REST}"
)
# A unit and a street without a number, as in Britain: `Flat 3\\nOak Close\\nLeeds\\nLS1 4AP`.
UNIT_FIRST = re.compile(
    rf"(?<![\w])(?:Flat|Studio|Apartment|Apt\.?|Suite|Unit|Room) ?\w{{1,5}}[, \n]{{1,2}}{W}(?:"
    rf" {W}){{0,3}}(?: [a-z]{{3,10}})?{_REST}"
)
NUMBER_AND_UNIT = re.compile(
    rf"(?<![\w.$€£#:/-])\d{{1,6}} (?:{W} ){{1,4}}?(?:\d{{1,5}}[A-Za-z]?[ ,"
    rf"|]{{1,2}})?{_UNIT.replace(',?', '[,|]?', 1)}{_REST}"
)
ENGLISH_ORDINAL = re.compile(
    rf"(?<![\w.$€£#:/-])\d{{1,6}},? {_DIRECTION}(?:\d{{1,3}}(?:st|nd|rd|th)|[A-Z]) (?:{SUFFIX}"
    rf"|{_STRONG_SUFFIX})(?![\w'])\.?{_DIRECTION_AFTER}{_REST}"
)
ENGLISH_SMALL = re.compile(
    rf"(?<![\w.$€£#:/-])\d{{1,6}}[a-z]?,? (?:(?:n|s|e|w|north|south|east|west)\.? )?(?!(?:more|of|or|and"
    rf"|in|to|new|main road|other|different|people|cars|x|on|hours?|minutes?|mins?|miles?|km|days?|lanes?"
    rf"|way|examples?|types?|years?|times|steps?|hr|min)\b)[^\W\d_][\w.'’-]{{1,20}}(?:"
    rf" [^\W\d_][\w.'’-]{{1,20}}){{0,2}}? {_STRONG_SUFFIX}(?![\w'])(?:,? (?:apt|unit|suite|ste|#)\.?"
    rf" ?\w{{1,5}})?(?:, ?[^\W\d_][\w ]{{1,20}}(?:, ?[a-z]{{2}})? \d{{5}}|, ?[^\W\d_]{{3,15}}(?:"
    rf" [^\W\d_]{{3,12}})?(?:, ?[a-z]{{2}})?(?=[.!?\n]|$))?",
)
PO_BOX = re.compile(
    rf"(?<![\w])(?:P\.? ?O\.? ?Box|PSC|Unit|USNV|USS|USNS|USCGC|Postfach|Boîte postale|B\.?P\.?"
    rf"|Apartado(?: de correos| postal)?|Caixa Postal|Casella postale|Postbus|Skrytka pocztowa|Box)"
    rf" ?#?\d{{1,6}}(?:,? Box \d{{1,6}})?{_REST}",
)
MILITARY = re.compile(
    r"(?<!\w)(?:(?:USS|USNV|USNS|USCGC) \w+|(?:PSC|Unit) \d{3,5},? ?(?:Box \d{1,5})?)\s(?:FPO|APO|DPO)"
    r" A[AEP] \d{5}"
)
CITY_STATE = re.compile(rf"(?<![\w]){TOWN},? {US_STATES},? \d{{5}}(?:-\d{{4}})?(?![\w-])")
# In these languages the word for street comes first: `Calle de los Olmos 12`, `12, rue des Tilleuls`, `ul. Polna 3/4`.
_OF = (
    r"(?:(?:de|da|do|dos|das|du|des|la|las|los|le|les|del|della|delle|dei|degli|dello|di|al|san|santa"
    r"|st\.?|nossa|y|e|et|en|sur|aux?|à|van) |d['’]|l['’]|dell['’]|dall['’]|\d{1,2} (?:de |di )?)"
)
STREET_FIRST = (
    r"(?:[Cc]alle|C/|C\.|[Aa]venida|[Aa]vda\.?|[Aa]v\.|[Pp]aseo|[Pp]laza|[Pp]za\.?|[Cc]amino|[Cc]arretera"
    r"|[Cc]tra\.?|[Rr]onda|[Tt]ravesía|[Gg]lorieta|[Aa]lameda|[Pp]asaje|[Cc]allejón|[Cc]uesta|[Rr]ambla"
    r"|[Vv]ía|[Aa]cceso|[Uu]rbanización|[Cc]añada|[Vv]ial|[Pp]asadizo|[Bb]oulevard|[Cc]orredor"
    r"|[Dd]iagonal|[Pp]rolongación|[Pp]rivada|[Rr]etorno|[Cc]erro|[Cc]alzada|[Pp]eriférico|[Aa]ndador"
    r"|[Cc]ircunvalación|[Ee]je vial|[Cc]ircuito|[Cc]errada"
    r"|[Rr]ua|R\.|[Pp]raia|[Tt]revo|[Tt]ravessa|[Pp]raça|[Ll]argo|[Ee]strada|[Rr]odovia|[Aa]v\.?"
    r"|[Ll]adeira|[Vv]iela|[Bb]eco|[Ss]etor|[Qq]uadra|[Cc]onjunto|[Ff]azenda|[Ff]avela|[Ff]eira|[Jj]ardim"
    r"|[Vv]ereda|[Tt]recho|[Vv]ale|[Vv]iaduto|[Vv]ila|[Cc]ampo|[Cc]hácara|[Cc]olônia|[Cc]ondomínio"
    r"|[Dd]istrito|[Ee]splanada|[Ee]stação|[Ll]ago|[Ll]agoa|[Ll]oteamento|[Mm]orro|[Nn]úcleo|[Pp]arque"
    r"|[Pp]assarela|[Pp]átio|[Rr]ecanto|[Rr]esidencial|[Ss]ítio|[Aa]eroporto|[Áá]rea"
    r"|[Vv]ia|[Vv]iale|[Pp]iazza|[Pp]iazzale|[Pp]iazzetta|[Cc]orso|[Vv]icolo|[Ll]argo|[Ss]trada"
    r"|[Ll]ungomare|[Cc]ontrada|[Bb]orgo|[Ss]alita|[Rr]otonda|[Ii]ncrocio|[Ss]tretto|[Cc]anale"
    r"|[Ll]ocalità|[Ff]razione"
    r"|[Rr]ue|[Bb]oulevard|[Bb]d\.?|[Bb]lvd|[Aa]venue|[Aa]llée|[Ii]mpasse|[Pp]lace|[Cc]hemin|[Rr]oute"
    r"|[Qq]uai|[Cc]ours|[Ss]quare|[Pp]assage|[Ss]entier|[Vv]illa"
    r"|[Uu]l\.?|[Uu]lica|[Uu]licy|[Aa]l\.|[Aa]leja|[Aa]lei|[Pp]l\.|[Pp]lac|[Oo]s\.|[Oo]siedle|[Rr]ondo"
    r"|[Rr]ynek|[Bb]ulwar"
    r"|[Уу]л\.?|[Уу]лица|[Уу]лице|[Бб]ул\.|[Пп]роспект\w?|[Пп]р-т\.?|[Пп]р\.|[Пп]ер\.|[Пп]ереулок"
    r"|[Бб]ульвар|[Бб]-р|[Шш]оссе|[Шш]\.|[Нн]аб\.|[Нн]абережная|[Пп]л\.|[Пп]лощадь|[Аа]ллея|[Аа]лл\.)"
)
_NUMBER_AFTER = (
    r"(?:(?:,? ?(?:n[º°o.]?\.? ?|núm(?:ero|\.) ?|número |num\. ?|№ ?|д\. ?|дом |nr\.? ?|No:? ?|S/N"
    r"|s/n))?\d{0,5}[A-Za-zА-Яа-я]?(?:[/-]\d{1,4}[A-Za-z]?)?(?:,? ?(?:[Pp]iso|[Pp]uerta|[Pp]ta\.?"
    r"|[Pp]lanta|[Ee]sc\.?|[Ee]scalera|[Bb]ajo|[Dd]pto\.?|[Dd]epto\.?|[Aa]pto?\.?|[Aa]pt\."
    r"|[Aa]ppartamento|[Ii]nterno|[Ii]nt\.?|[Ss]cala|[Pp]iano|[Bb]loco|[Aa]ndar|[Ss]ala|[Cc]asa|[Ll]ote"
    r"|m\.|lok\.|кв\.|квартира|к\.|корп\.|стр\.|оф\.|bte|bât\.?|étage|[Ee]difício|[Ee]dif\.?|[Ll]ocal"
    r"|[Ii]nterior) ?\w{0,5}[º°ª]?(?: ?[A-Z]\b)?|,? ?\d{1,2}[º°ª] ?(?:[A-Z]{1,3}\b|[Ii]zq\w*"
    r"|[Ii]zda|[Dd]cha\w*)?){0,3})"
)
ROMANCE = re.compile(
    rf"(?<![\w])(?:{STREET_FIRST}) (?:{_OF}){{0,3}}{W}(?: (?:{_OF}){{0,3}}{W}){{0,4}}(?:,? (?=\d)|,?"
    rf" (?=[nNд№S][º°.:/uúoO]{{0,2}} ?\d)|, (?=[nдкs]))(?:{_NUMBER_AFTER}){_REST}"
)
FRENCH = re.compile(
    rf"(?<![\w.$€£#-])\d{{1,4}}(?: ?(?:bis|ter|quater|[A-D]))?,? (?:[Rr]ue|[Bb]oulevard|[Bb]d\.?"
    rf"|[Aa]venue|[Aa]v\.|[Aa]llée|[Ii]mpasse|[Pp]lace|[Cc]hemin|[Rr]oute|[Qq]uai|[Cc]ours|[Ss]quare"
    rf"|[Pp]assage|[Ss]entier) (?:{_OF}){{0,3}}{W}(?:[ -](?:{_OF}){{0,3}}{W}){{0,4}}{_REST}"
)
# Faker and forms: a street without any number.
FRENCH_BARE = re.compile(
    rf"(?<![\w])(?:[Rr]ue|[Bb]oulevard|[Aa]venue|[Ff]azenda|[Ss]ítio|[Rr]odovia|[Ll]argo|[Pp]raça"
    rf"|[Tt]ravessa|[Aa]lameda|[Vv]ila|[Áá]rea|[Tt]recho|[Jj]ardim|[Cc]hemin|[Ii]mpasse|[Aa]llée|[Vv]ia"
    rf"|[Cc]alle|[Rr]ua|[Aa]venida|[Uu]lica|[Uu]l\.|[Vv]iale|[Pp]iazza|[Pp]lace|[Rr]oute|[Qq]uai"
    rf"|[Cc]ours) (?:{_OF}){{0,3}}{W}(?:[ -](?:{_OF}){{0,2}}{W}){{0,3}}(?:,|\n) ?(?:(?:{TOWN}(?:,|\n)"
    rf" ?)?(?:\d{{4,5}}|\d{{2}}-\d{{3}})(?:-\d{{3}})? {TOWN}(?: ?/ ?[A-Z]{{2}}(?!\w))?|{TOWN}(?:,|\n|"
    rf" -) ?\d{{5}}-?\d{{3}}(?!\d))"
)
# In these it is the end of the name: `Lindenstraße 12`, `Björkvägen 3`, `Kerkstraat 5`, `Atatürk Cad. No: 4`.
STREET_LAST = (
    r"(?:straße|strasse|str\.|weg|platz|gasse|allee|ring|damm|ufer|chaussee|steig|stieg|pfad|berg|hof"
    r"|graben|markt|park|wall|grund|kamp|twiete"
    r"|straat|laan|plein|steeg|dijk|singel|gracht|kade|baan|hof|boulevard|pad|dreef|plantsoen|wal|ring"
    r"|markt|sloot|burgwal"
    r"|gatan|vägen|gränd|gränden|torget|stigen|allén|gata|väg|torg|stig|backen|gården|leden|kajen|veien"
    r"|vegen|gaten|veg|vei|plass|plassen|svingen|gate|gade|vej|vejen|alle|stræde|torv|katu|tie|polku"
    r"|kuja)"
)
GERMANIC = re.compile(
    rf"(?<![\w])(?:{_U}[\w.'’-]{{0,40}}?{STREET_LAST}|{W}(?:[ -]{W}){{0,3}}?[ -](?:Straße|Strasse"
    rf"|Str\.|Weg|Platz|Gasse|Allee|Ring|Damm|Ufer|Straat|Laan|Plein|Kade|Gatan|Vägen|Gata|Väg|Torg|Gade"
    rf"|Vej|Veien)),? (?:[Nn]r\.? ?)?\d{{1,4}} ?[a-zA-Z]?(?![\w%])(?:[-/] ?(?:\d{{1,4}}[a-z]?"
    rf"|[IVX]{{1,4}}(?!\w)))?{_REST}"
)
PREPOSITION_STREET = re.compile(
    rf"(?<![\w])(?:Am|An der|An den|Auf der|Auf dem|Im|In der|In den|Zum|Zur|Hinter der|Hinter dem|Unter"
    rf" den|Unter der|Bei der|Beim|Vor dem|Op de|Aan de|Aan het) (?:{_T} ){{0,2}}{_T} \d{{1,4}}"
    rf" ?[a-z]?(?![\w%]),? \d{{4,5}} {TOWN}"
)
DUTCH_FIRST = re.compile(
    rf"(?<![\w])(?:Laan|Plein|Kade|Dreef) (?:(?:van|der|de|den|het|ter|op) ){{0,2}}{W}(?: {W}){{0,2}} \d{{1,4}} ?[a-zA-Z]?(?![\w%]){_REST}"
)
GERMANIC_SMALL = re.compile(
    r"(?<![\w])[^\W\d_]{3,30}?(?:straße|strasse|str\.|weg|platz|gasse|allee|straat|laan|plein|gatan|vägen"
    r"|gata|väg) \d{1,4} ?[a-z]?(?![\w%])(?:,? \d{4,5} [^\W\d_]{3,30})?"
)
TURKISH = re.compile(
    rf"(?<![\w])(?:{W} ){{1,4}}(?:[Mm]ahallesi|[Mm]ah\.?|[Cc]addesi|[Cc]ad\.?|[Ss]okak|[Ss]okağı"
    rf"|[Ss]ok\.?|[Ss]k\.|[Bb]ulvarı|[Bb]lv\.?)(?:,? (?:{W} ){{0,3}}(?:[Cc]addesi|[Cc]ad\.?|[Ss]okak"
    rf"|[Ss]okağı|[Ss]ok\.?|[Ss]k\.|[Bb]ulvarı|[Bb]lv\.?|[Aa]partmanı|[Aa]pt\.?))?(?:,? ?(?:[Nn]o ?[:.]?"
    rf" ?|[Dd]aire ?[:.]? ?|[Kk]at ?[:.]? ?|D ?: ?|K ?: ?)?\d{{1,4}}[A-Z]?(?:/\d{{1,4}})?){{1,3}}(?:,?"
    rf" (?:\d{{5}} )?{W}(?:[/,] ?{W})?)?"
)
JAPANESE = re.compile(
    r"(?:〒? ?\d{3}-?\d{4} ?)?(?:東京都|北海道|(?:京都|大阪)府"
    r"|[\u4e00-\u9fff]{2,3}県)[\u3040-\u30ff\u4e00-\u9fff0-9０-９一二三四五六七八九十百々ヶ丁目番地号"
    r" −ー-]{2,40}(?:\d{1,4}(?:[-−ー]\d{1,4}){0,3}|[0-9０-９]{1,3}号|番地?|丁目)?(?:["
    r" 　]?[\u3040-\u30ff\u4e00-\u9fffA-Za-z]{1,20}[0-9０-９]{1,4}(?:号室)?)?"
    r"|[\u4e00-\u9fff]{1,6}[市区町村郡][\u3040-\u30ff\u4e00-\u9fff]{1,12}(?:\d{1,3}丁目)?\d{1,4}(?:[-−ー番]\d{1,4}){1,3}号?(?:["
    r" 　]?[\u3040-\u30ff\u4e00-\u9fffA-Za-z]{1,20}\d{1,4}(?:号室)?)?|〒 ?\d{3}-?\d{4}"
)
CHINESE = re.compile(
    r"(?:[\u4e00-\u9fff]{2,8}?(?:省|自治区|特别行政区))?(?:[\u4e00-\u9fff]{2,8}?(?:市|州|盟"
    r"|地区))?(?:[\u4e00-\u9fff]{1,8}?(?:区|县|旗|市|镇|乡))?[\u4e00-\u9fff]{1,10}?(?:路|街|大道|巷|道|胡同|弄|村"
    r"|里)(?:[东南西北中]?[路街段])?[ ]?(?:\d{1,5}|[A-Za-z]|[一二三四五六七八九十百]{1,4})(?:号|號|座|弄|栋)(?:院"
    r"|楼)?(?:[\u4e00-\u9fff]{0,10}?\d{1,4}(?:号楼|栋|幢|座|单元|层|楼|室|号|房)){0,4}(?:[ ,，]{0,2}(?:邮编)?[:："
    r" ]{0,2}\d{6}(?!\d))?"
)
CHINESE_REGION = re.compile(
    r"(?:[\u4e00-\u9fff]{2,4}?(?:省|自治区)[\u4e00-\u9fff]{1,6}?(?:市|州|县|区)"
    r"|[\u4e00-\u9fff]{2,4}?市[\u4e00-\u9fff]{1,4}?[区县])[\u4e00-\u9fff]{0,12}(?:[A-Za-z]座|\d{1,5}号?)?(?:"
    r" ?\d{6}(?!\d))?"
)
KOREAN = re.compile(
    r"(?:[가-힣]{2,8}(?:특별시|광역시|특별자치시|특별자치도|도|시) ?)(?:[가-힣]{1,6}(?:시|군|구) ?){0,2}(?:[가-힣]{1,6}(?:읍|면|동)"
    r" ?)?[가-힣0-9]{1,12}(?:로|길|동|가|리) ?(?:지하 ?)?\d{0,4}(?:번?길 ?\d{1,4})?(?:-\d{1,4})?(?:번지)?(?:"
    r" ?\([가-힣0-9, ]{1,20}\))?(?:,? ?[가-힣A-Za-z]{0,12} ?\d{1,4}동)?(?: ?\d{1,4}호)?|[가-힣]{1,6}구"
    r" [가-힣0-9]{1,12}(?:로|길) ?(?:지하 ?)?\d{1,4}(?:-\d{1,4})?"
)
HINDI = re.compile(
    r"(?:मकान|फ्लैट|प्लॉट|घर) ?(?:नं\.?|नंबर|संख्या)?[ .:]{0,2}[\w/-]{1,8},? [\u0900-\u097f ,-]{4,60}(?:"
    r" ?-? ?\d{6})?|\d{1,4}(?:/\d{1,4})?,? [\u0900-\u097f ]{2,30}(?:मार्ग|रोड|नगर|गली|सड़क|कॉलोनी|विहार"
    r"|चौक|पथ)[\u0900-\u097f ,-]{0,40}(?:\d{6})?"
)
INDIAN_PIN = re.compile(
    r"\d[\d/]{0,9},? [\u0900-\u097f ]{2,40}[,\n][ ]?[\u0900-\u097f ]{2,30}[ –-]{1,3}\d{6}(?!\d)"
)
ARABIC = re.compile(
    r"(?:\d{1,5}[،, ]{1,2})?(?:شارع|طريق|حي|ميدان) [\u0600-\u06ff ]{2,30}(?:[،, ]{1,2}(?:رقم|مبنى|شقة)?"
    r" ?\d{1,5})?(?:[،, ]{1,2}[\u0600-\u06ff ]{2,25}){0,2}(?: \d{5})?"
)
INDIAN = re.compile(
    rf"(?<![\w])(?:(?:H|House|Flat|Plot|Door|Shop)\.? ?(?:[Nn]o|NO)?\.?:? ?)?[\dA-Z][\w/-]{{0,7}},?"
    rf" (?:{W},? ){{0,3}}{W} (?:Nagar|Road|Marg|Colony|Street|Chowk|Vihar|Enclave|Layout|Gali|Lane"
    rf"|Cross|Sector|Extension|Bagh|Puram|Ganj|Salai|Path)(?: \d{{1,3}})?{_REST}(?:["
    rf" -–]{{1,3}}\d{{6}}(?!\d))?"
)
