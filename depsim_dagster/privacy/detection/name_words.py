"""Words around names in a dozen languages: titles, particles, what announces a person, what is no name though capital."""

from __future__ import annotations

TITLES = frozenset(
    "mr mrs ms miss mx dr drs prof professor doctor sir madam madame lord lady rev reverend fr hon judge"
    " justice capt captain sgt sergeant lt lieutenant"
    " col colonel gen general maj major officer detective inspector nurse pastor rabbi imam sheikh"
    " senator congressman congresswoman representative governor mayor ambassador"
    " uncle aunt auntie grandma grandpa granny coach principal dean chef"
    " herr herrn frau fräulein fr hr dipl ing mag"
    " m mme mlle monsieur mademoiselle maître me docteur professeur"
    " señor señora señorita sr sra srta don doña dra dn ing lic"
    " signor signora signore signorina sig dott dottoressa dottore avv prof.ssa geom"
    " senhor senhora dona seu doutor doutora professora"
    " meneer mevrouw dhr mevr mw heer mej"
    " pan pani panem panią panu pana państwo mgr inż"
    " herr fru fröken frøken"
    " господин госпожа госпоже господину г-н г-жа доктор профессор тётя дядя тетя пан пані"
    " bay bayan sayın bey hanım doktor profesör κύριος κυρία"
    " datuk encik puan cik bapak ibu pak bu shri smt kumari sheikha".split()
)
# Titles that are ordinary words or names, too: they need the dot or a name behind them that is none in itself.
WEAK_TITLES = frozenset(
    "general major judge justice dean don pan m me fr gen col hon sir lady lord ing maj mag seu bay dona"
    " principal coach chef bu pak ibu nurse lic dn sig heer coach officer".split()
)
PARTICLES = (
    "de", "da", "do", "dos", "das", "del", "della", "delle", "dello", "degli", "dei", "de la", "de las", "de los", "de le", "la", "las", "los", "le", "du", "des", "d’", "d'",
    "van", "van de", "van der", "van den", "van het", "van 't", "von", "von der", "von dem", "von und zu", "vom", "zu", "zum", "zur", "der", "den", "ter", "ten", "te", "op den", "in 't",
    "di", "dela", "delos", "al", "el", "bin", "binti", "ibn", "bint", "abu", "ben", "av", "af", "san", "st", "ap", "bar", "ul", "ur", "ud", "bte",
)  # fmt: skip
# Capital words that are lists of names' namesakes but, alone, rather something else.
NOT_ALONE = frozenset(
    "aadhaar aadhar aadhaar's pan sohn tochter america christian arduino airbnb lemma ableton javascript"
    " dockerfile multibagger specialized kubernetes javascript typescript adam upto adamant"
    " none true false null nan self this class object main test charset max min error info debug english"
    " french german spanish italian portuguese dutch polish swedish chinese japanese korean russian"
    " turkish arabic hindi latin greek american british canadian australian indian mexican brazilian"
    " european asian african monday tuesday wednesday thursday friday saturday sunday january february"
    " march april may june july august september october november december"
    " christmas easter halloween ramadan god jesus christ lord allah buddha bible quran zeus hitler trump"
    " biden obama putin shakespeare einstein newton darwin mozart beethoven picasso aristotle plato"
    " socrates"
    " python java ruby swift kotlin rust perl julia dart go scala pascal ada haskell elixir django flask"
    " rails laravel angular react vue ember jenkins docker kafka cassandra redis maven gradle jupyter"
    " pandas numpy siri alexa cortana claude gemini bard"
    " google apple amazon microsoft facebook meta tesla nvidia intel oracle adobe twitter netflix spotify"
    " uber ford toyota honda mercedes benz chevrolet audi nokia sony samsung"
    " marvel disney pixar batman superman spiderman hulk thor loki pokemon mario luigi zelda link naruto"
    " sasuke goku minecraft roblox fortnite"
    " mars venus jupiter saturn mercury neptune pluto earth moon sun dad mom mum mama papa grandma"
    " grandpa mommy daddy sis bro"
    " north south east west northern southern eastern western central new old saint san santa los las el"
    " la le il"
    " summer winter autumn spring hope faith grace joy love star angel prince princess king queen duke"
    " major general judge justice bishop pope"
    " nash bayes gauss euler fourier laplace newton markov poisson bernoulli lagrange hamilton jordan"
    " hilbert riemann taylor maxwell planck".split()
)
# What makes of a run of capital words a place, a work or an institution.
NOT_PERSON_TAILS = frozenset(
    "university college school institute academy hospital clinic church cathedral museum library theatre"
    " theater stadium arena airport station bridge tower building center centre mall hotel restaurant"
    " cafe bar"
    " street avenue road lane drive boulevard square park garden gardens river lake mountain mountains"
    " valley island islands beach bay ocean sea desert canyon forest falls creek county city town village"
    " district province state region"
    " award awards prize medal cup league championship trophy tournament games festival conference summit"
    " day week month war battle treaty act law bill amendment theorem lemma conjecture equation principle"
    " effect syndrome disease test scale method algorithm model transform distribution series constant"
    " number paradox"
    " foundation association society company corporation corp inc llc ltd group bank capital partners"
    " holdings industries technologies systems solutions services studio studios records pictures"
    " entertainment press times post journal magazine news network"
    " party government parliament congress senate court committee commission council department ministry"
    " agency army navy force police"
    " movie film book novel series show song album band game theory project program programme plan center"
    " language code script api sdk framework library server"
    " universität hochschule straße platz schule krankenhaus klinik kirche bahnhof flughafen preis"
    " université lycée hôpital musée rue place église universidad colegio hospital museo calle plaza"
    " iglesia premio università scuola ospedale via piazza universidade escola rua praça prêmio".split()
)
PERSON_PHRASES: dict[str, str] = {
    # What follows is a name, whatever it looks like.
    "introduction": """
        my [full|real|legal|given|first|last|middle|birth] (name|surname|nickname) (is|was); my (name|
        names) s; i am called; i m called; i go by; you can call me; (everyone|people|friends|
        they) call me; call me; the name is; the name s; signed by; name is; (his|her|their|your|
        whose) [full|first|last|real|middle] (name|surname) (is|was); (his|her) name s; s name is;
        under the name [of]; in the name of; goes by [the name]; known as; addressed to; on behalf of;
        made out to
        me llamo; mi nombre [completo] es; (se llama|llamado|llamada); su nombre es; mi apellido es;
        a nombre de; nombre de; soy el señor; soy la señora
        ich heiße; ich heisse; mein [voller] name ist; mein name lautet; (er|sie) heißt; namens;
        mein (vorname|nachname) ist; auf den namen; im namen von; unter dem namen; heißt
        je m appelle; mon [nom complet|nom|prénom] (est|c est); mon nom de famille est; (s appelle|appelé|
        appelée|nommé|nommée); au nom de; s appelle; son nom est
        mi chiamo; il mio nome [completo] è; il mio cognome è; (si chiama|chiamato|chiamata|di nome);
        a nome di; intestato a; a nome
        meu [nome completo|nome] é; meu sobrenome é; (me chamo|chamo me|se chama|chamado|chamada);
        em nome de; o nome dele é; o nome dela é; eu me chamo
        mijn [volledige|voor|achter] naam is; mijn (voornaam|achternaam) is; ik heet; (hij|zij|ze) heet;
        genaamd; op naam van; namens; heet
        nazywam się; mam na imię; moje [imię|nazwisko] [i nazwisko|to]; (nazywa się|o imieniu|
        ma na imię); na nazwisko
        jag heter; mitt [fullständiga] namn är; (han|hon) heter; vid namn; i namnet; heter; mit navn er;
        jeg heter; jeg hedder; navnet mitt er; nimeni on
        меня зовут; (мое|моё) (имя|фио); зовут; по имени; на имя; моя фамилия; benim adım; adım; ismim;
        adı; isminde; adında; adlı; (मेरा|मेरी|उनका|उसका) (पूरा नाम|नाम); (اسمي|اسمه|اسمها|يدعى|تدعى|
        إسمي) [هو|هي]; (שמי|קוראים לי|שמו|שמה); με λένε; το όνομά μου είναι; nama saya; tên tôi là;
        tôi tên là; jmenuji se; a nevem; numele meu este
    """,
    # A name follows if it looks like one.
    "hint": """
        (and|und|et|en|och|says|said|shouted|replied|answered|whispered|features|featuring|starring|
        founders|killers of|tribute to|named him|named her|son of|daughter of|i am|i m|im|this is|it s|
        its|it is|here is|here s|meet|met|named|called|contact|contacted|ask for|asked|speak with|
        speak to|spoke with|spoke to|talk to|talked to|talking to|email|emailed|from|by|with|for|to|
        regards|attn|attention|dear|hi|hey|hello|greetings|thanks|thank you|cheers|sincerely|yours|love|
        morning|afternoon|evening|signed|prepared by|reviewed by|written by|approved by|reported by|
        referred by|assigned to|cc|thx|ty|dearest|congratulations|sorry|bye|between|and|or|is|visit|
        visited|invite|invited|help|helped|told|tell|let|gave|give|sent|send|paid|pay|owe|saw|see|know|
        knows|knew|married|divorced|dating|dated|love|loves|loved|hate|hates|remember|forward|notify|
        inform|remind|about|boss|manager|after|against|than|like)
        (ich bin [die|der]|hier ist|hier spricht|hallo|liebe|lieber|liebes|sehr geehrter|sehr geehrte|guten tag|
        guten morgen|grüße|gruß|mit freundlichen grüßen|viele grüße|beste grüße|danke|an|von|mit|bei|für|
        kollege|kollegin|freund|freundin|mein mann|meine frau|mein sohn|meine tochter|mein bruder|
        meine schwester|meine mutter|mein vater|mein freund|meine freundin|mein chef|meine chefin|kunde|
        kundin|patientin|ansprechpartner|ansprechpartnerin|servus|moin)
        (je suis|c est|ici|bonjour|salut|bonsoir|cher|chère|coucou|cordialement|merci|avec|pour|chez|
        mon mari|ma femme|mon fils|ma fille|mon frère|ma sœur|ma mère|mon père|mon ami|mon amie|
        mon collègue|ma collègue|mon chef|mon voisin|ma voisine|monsieur|madame|client|cliente|patient|
        patiente|bien à vous|bisous)
        (soy|yo soy|habla|hola|querido|querida|estimado|estimada|buenos días|buenas tardes|buenas|saludos|
        atentamente|gracias|con|para|por|a|mi esposo|mi esposa|mi marido|mi mujer|mi hijo|mi hija|
        mi hermano|mi hermana|mi madre|mi padre|mi amigo|mi amiga|mi jefe|mi jefa|mi novio|mi novia|
        mi vecino|cliente|paciente|el señor|la señora)
        (sono|io sono|parla|ciao|salve|buongiorno|buonasera|caro|cara|gentile|egregio|spettabile|saluti|
        cordiali saluti|grazie|con|mio marito|mia moglie|mio figlio|mia figlia|mio fratello|mia sorella|
        mia madre|mio padre|mio amico|mia amica|il mio collega|la mia collega|il mio capo|paziente|
        cliente|signor|signora)
        (sou|eu sou|aqui é|aqui quem fala é|olá|oi|bom dia|boa tarde|boa noite|caro|cara|prezado|prezada|
        querido|querida|atenciosamente|abraços|obrigado|obrigada|com|para|meu marido|minha esposa|
        minha mulher|meu filho|minha filha|meu irmão|minha irmã|minha mãe|meu pai|meu amigo|minha amiga|
        meu chefe|minha chefe|meu namorado|minha namorada|cliente|paciente|o senhor|a senhora)
        (ik ben|met|dit is|hallo|hoi|beste|geachte|lieve|goedemorgen|goedemiddag|dag|groeten|groetjes|
        met vriendelijke groet|bedankt|voor|van|mijn man|mijn vrouw|mijn zoon|mijn dochter|mijn broer|
        mijn zus|mijn moeder|mijn vader|mijn vriend|mijn vriendin|mijn collega|mijn baas|klant|patiënt|
        meneer|mevrouw)
        (jestem|tu|cześć|witam|witaj|hej|drogi|droga|szanowny|szanowna|dzień dobry|pozdrawiam|
        pozdrowienia|dziękuję|z|dla|od|do|mój mąż|moja żona|mój syn|moja córka|mój brat|moja siostra|
        moja mama|mój tata|mój przyjaciel|moja przyjaciółka|mój szef|moja szefowa|klient|klientka|pacjent|
        pacjentka)
        (jag är|detta är|hej|hejsan|kära|käre|bästa|god morgon|hälsningar|mvh|med vänliga hälsningar|tack|
        med|till|från|min man|min fru|min son|min dotter|min bror|min syster|min mamma|min pappa|min vän|
        min chef|min kollega|kund|kunden|patient|patienten|hilsen|kære|kjære)
        (я|это|привет|здравствуйте|добрый день|дорогой|дорогая|уважаемый|уважаемая|с уважением|спасибо|с|
        от|для|мой муж|моя жена|мой сын|моя дочь|мой брат|моя сестра|мой друг|моя подруга|мой начальник|
        клиент|пациент|пациентка)
        (ben|merhaba|selam|sayın|sevgili|saygılarımla|teşekkürler|ile|eşim|oğlum|kızım|kardeşim|ablam|
        abim|annem|babam|arkadaşım|müdürüm|müşteri|hasta)
    """,
    # Behind these a name is likely even if its words are also others.
    "role": """
        (last|first|full|middle|your|maiden|s) name; name on the account; calls me; surname; given names
        [my|his|her|our] (psychiatrist|psychologist|pediatrician|paediatrician|dentist|accountant|midwife|
        counsellor|realtor|tutor|grandson|aunty|gf|bf|housemate|flatmate|landlady|stepmother|stepfather)
        my [late|ex|best|older|younger|little|big|new|old|dear|former|future|own|step|eldest|youngest|
        first|second] (wife|husband|son|daughter|mother|father|mom|mum|dad|brother|sister|friend|boss|
        manager|coworker|co worker|colleague|neighbor|neighbour|partner|girlfriend|boyfriend|fiance|
        fiancé|fiancee|fiancée|uncle|aunt|cousin|nephew|niece|grandmother|grandfather|grandma|grandpa|
        grandson|granddaughter|teacher|professor|doctor|lawyer|therapist|client|patient|student|roommate|
        landlord|supervisor|assistant|ex|child|kid|baby|dog|cat|stepson|stepdaughter|mentor|classmate|
        teammate|mate|buddy|crush|sponsor|nanny|babysitter|twin)
        (patient|customer|client|employee|user|student|colleague|neighbor|neighbour|applicant|candidate|
        defendant|plaintiff|witness|victim|suspect|resident|passenger|tenant|agent|representative|
        technician|engineer|instructor|physician|surgeon|therapist|attorney|lawyer|counselor|author|
        artist|singer|actor|actress|writer|director|ceo|cto|cfo|founder|president|chairman|secretary|
        treasurer|nurse|teacher|brother|sister|husband|wife|son|daughter|friend|boss|guardian|beneficiary|
        holder|cardholder|recipient|owner|nephew|niece|kid|baby|girlfriend|boyfriend|partner|grandson|mom|
        dad|mother|father|uncle|aunt|cousin|commenter)
        (mein|meine|meinem|meiner|meinen|unser|unsere) (mann|frau|sohn|tochter|bruder|schwester|mutter|
        vater|freund|freundin|chef|chefin|kollege|kollegin|nachbar|nachbarin|arzt|ärztin|lehrer|lehrerin|
        opa|oma|onkel|tante|kunde|kundin|partner|partnerin); (kollege|kollegin|patient|patientin|kunde|
        kundin|mieter|mieterin|ansprechpartner|ansprechpartnerin|kontoinhaber|kontoinhaberin|empfänger|
        inhaber|vermieter)
        (mon|ma|notre) (mari|femme|fils|fille|frère|sœur|mère|père|ami|amie|collègue|chef|patron|voisin|
        voisine|médecin|copain|copine|cousin|cousine|oncle|tante); (le|la) (locataire|client|cliente|
        patient|patiente); à l attention de; titulaire; locataire
        (mi|nuestro|nuestra) (esposo|esposa|marido|mujer|hijo|hija|hermano|hermana|madre|padre|amigo|
        amiga|jefe|jefa|novio|novia|vecino|vecina|compañero|compañera|primo|prima|tío|tía|abuelo|abuela|
        médico); (inquilino|inquilina|paciente|cliente|titular|a la atención de|el señor|la señora)
        (mio|mia|il mio|la mia) (marito|moglie|figlio|figlia|fratello|sorella|madre|padre|amico|amica|
        collega|capo|vicino|vicina|medico|fidanzato|fidanzata|zio|zia|cugino|cugina); (inquilino|
        inquilina|paziente|cliente|intestatario|all attenzione di|attenzione di)
        (meu|minha|nosso|nossa) (marido|esposa|mulher|filho|filha|irmão|irmã|mãe|pai|amigo|amiga|chefe|
        namorado|namorada|vizinho|vizinha|colega|primo|prima|tio|tia|médico); (inquilino|inquilina|
        paciente|cliente|titular|aos cuidados de|o senhor|a senhora)
        (mijn|onze) (man|vrouw|zoon|dochter|broer|zus|moeder|vader|vriend|vriendin|collega|baas|buurman|
        buurvrouw|huisarts); (huurder|klant|patiënt|rekeninghouder|t a v|ter attentie van|dokter)
        (mój|moja|mojego|mojej|nasz|nasza) (mąż|żona|syn|córka|brat|siostra|mama|tata|przyjaciel|
        przyjaciółka|szef|szefowa|kolega|koleżanka|sąsiad|sąsiadka|lekarz); (najemca|klient|klientka|
        pacjent|pacjentka|do rąk|odbiorca)
        (min|mitt|vår) (man|fru|son|dotter|bror|syster|mamma|pappa|vän|chef|kollega|granne|läkare|
        flickvän|pojkvän); (hyresgästen|kunden|patienten|hyresgäst|kund|patient|att)
        (мой|моя|моего|моей|моему|наш|наша) (муж|жена|сын|дочь|брат|сестра|друг|подруга|начальник|коллега|
        сосед|соседка|мама|папа|врач); (получатель|клиент|пациент|пациентка|арендатор|отправитель|
        сотрудник|владелец)
        (eşim|oğlum|kızım|kardeşim|ablam|abim|annem|babam|arkadaşım|müdürüm|komşum|alıcı|müşteri|hasta|
        kiracı|hesap sahibi|gönderen)
    """,
    # What stands between these and a comma or the end of the line is a name.
    "greeted": """
        dear; hi; hey; hello; dearest; thanks; thank you; sincerely; [kind|best|warm|warmest] regards;
        best; best wishes; yours [truly|sincerely|faithfully]; cheers; love; good (morning|afternoon|evening)
        hallo; liebe; lieber; [mit freundlichen|viele|beste|liebe|herzliche] grüße;
        [mit freundlichen] grüßen; gruß; lg; guten (tag|morgen|abend); moin
        cher; chère; bonjour; salut; cordialement; bien à vous; bien cordialement; bises; merci; hola;
        querido; querida; estimado; estimada; saludos; atentamente; un abrazo; gracias
        caro; cara; ciao; gentile; saluti; cordiali saluti; distinti saluti; grazie; olá; oi; prezado;
        prezada; abraços; atenciosamente; obrigado; obrigada; um abraço
        beste; geachte; lieve; hoi; groeten; groetjes; met vriendelijke groet; cześć; drogi; droga;
        szanowny; szanowna; pozdrawiam; hej; kära; käre; hälsningar; mvh; med vänliga hälsningar
        привет; здравствуйте; уважаемый; уважаемая; дорогой; дорогая; с уважением; merhaba; selam;
        sevgili; sayın; saygılarımla
    """,
    # After these a name in small letters is believed, too.
    "greeting": """
        (hi|hey|hello|dear|thanks|sincerely|regards|named|called); thank you; yours truly; kind regards;
        best regards; warm regards; speak (to|with); talk to; this is; (i am|i m|im)
        my [ex|best|older|younger|little|big] (wife|husband|son|daughter|mother|father|mom|mum|dad|
        brother|sister|friend|boss|manager|coworker|colleague|neighbor|neighbour|partner|girlfriend|
        boyfriend|fiance|fiancee|uncle|aunt|cousin|nephew|niece|roommate|supervisor)
        (hallo|liebe|lieber|hola|querido|querida|ciao|cara|olá|bonjour|salut|hoi|beste|cześć|hej|привет|
        merhaba|selam); soy; ich bin; je suis; mein (mann|sohn|bruder|freund|vater); meine (frau|tochter|
        schwester|freundin|mutter); mi (esposo|esposa|hijo|hija|hermano|hermana|amigo|amiga); mon (mari|
        fils|frère|ami); ma (femme|fille|sœur|amie)
    """,
    # The fields that hold nothing but names of persons.
    "sure field": """
        (full|legal|given|first|last|middle|maiden|family|patient|customer|client|employee|contact|
        account holder|cardholder|card holder|student|guest|passenger|applicant|candidate|recipient|
        sender|beneficiary|member|subscriber|supervisor|doctor|physician|spouse|father s|mother s|parent|
        guardian|child|emergency contact|tenant|landlord|witness|insured|policyholder|teacher|driver|
        attendee|participant) (name|names); (fullname|firstname|lastname|middlename|givenname|surname|
        familyname|forename|fname|lname|patientname|customername)
        (patient|account holder|cardholder|applicant|passenger|attendee|tenant|landlord|physician|
        next of kin|spouse|emergency contact|plaintiff|defendant|policyholder|insured|borrower|
        beneficiary|guardian|owner|recipient|contact person)
        vorname; nachname; familienname; vollständiger name; kontoinhaber; kontoinhaberin; karteninhaber;
        geburtsname; mieter; ansprechpartner; ansprechpartnerin; prénom; nom de famille; nom complet;
        nom et prénom; titulaire; bénéficiaire; locataire; nombre completo; apellido; apellidos; titular;
        nombre y apellidos; inquilino; cognome; nome completo; nome e cognome; intestatario; sobrenome;
        apelido; titular da conta; voornaam; achternaam; volledige naam; rekeninghouder; huurder; imię;
        nazwisko; imię i nazwisko; pełne imię i nazwisko; najemca; förnamn; efternamn; fullständigt namn;
        kontoinnehavare; hyresgäst; имя; фамилия; отчество; фио; soyad; soyadı; adı soyadı; ad soyad;
        hesap sahibi
    """,
    # A form field or a key: a sign must follow.
    "field": """
        [full|legal|complete|display|real|given|first|last|middle|maiden|family|sur|nick|preferred|birth|
        patient|customer|client|employee|contact|user|account|account holder|cardholder|card holder|
        student|guest|passenger|applicant|candidate|recipient|sender|beneficiary|holder|owner|member|
        subscriber|buyer|seller|author|manager|supervisor|doctor|physician|provider|spouse|father|mother|
        parent|guardian|child|emergency contact|billing|shipping|your|tenant|landlord|witness|insured|
        policyholder|teacher|driver|attendee|participant|participants|agent] (name|names|s name)
        (fullname|firstname|lastname|middlename|givenname|surname|surnames|familyname|forename|maidenname|
        fname|lname|username1|lastname1|lastname2|givenname1|givenname2|accountname|holder)
        (patient|customer|client|employee|contact|contact person|contact name|recipient|beneficiary|
        account holder|cardholder|applicant|candidate|student|guest|passenger|attendee|attendees|
        participants|participant|tenant|landlord|doctor|physician|attending|provider|nurse|therapist|
        lawyer|attorney|plaintiff|defendant|witness|author|signed|signature|from|to|cc|bcc|attn|attention|
        sender|supervisor|manager|emergency contact|next of kin|spouse|husband|wife|mother|father|
        mother s maiden name|parent|guardian|insured|policyholder|owner|assignee|reporter|agent|
        representative|interviewer|interviewee|buyer|seller|borrower|lender|caller|user|member|
        prepared by|reviewed by|approved by|written by|submitted by|reported by|requested by|referred by|
        ordered by|issued to|bill to|ship to|sold to|pay to|payee|payer|teacher|employer|hr contact|
        witnesses|resident|victim|suspect|caregiver|donor|speaker|host|organizer|co author|committer|best|
        maintainer|assigned to|subject name|primary contact)
        (vorname|nachname|familienname|vor und nachname|vollständiger name|name|kunde|kundin|kundenname|
        ansprechpartner|ansprechpartnerin|patientin|patient|kontoinhaber|kontoinhaberin|karteninhaber|
        empfänger|absender|mitarbeiter|mitarbeiterin|mieter|vermieter|antragsteller|versicherter|
        ehepartner|geburtsname|mädchenname|teilnehmer|unterschrift|bearbeiter|von|an|rufname)
        (nom|prénom|nom complet|nom de famille|nom et prénom|nom de jeune fille|titulaire|client|cliente|
        patient|patiente|bénéficiaire|destinataire|expéditeur|interlocuteur|assuré|salarié|employé|
        locataire|demandeur|contact|de|à|signature|participant|participants)
        (nombre|nombre completo|apellido|apellidos|primer apellido|segundo apellido|nombre y apellidos|
        titular|cliente|paciente|beneficiario|destinatario|remitente|empleado|asegurado|inquilino|
        solicitante|contacto|de|para|firma|participantes)
        (nome|cognome|nome completo|nome e cognome|intestatario|titolare|cliente|paziente|beneficiario|
        destinatario|mittente|dipendente|assicurato|richiedente|contatto|da|a|firma|sobrenome|apelido|
        nome do cliente|nome do paciente|beneficiário|destinatário|remetente|funcionário|segurado|
        inquilino|solicitante|contato|para|assinatura|titular da conta)
        (naam|voornaam|achternaam|volledige naam|tussenvoegsel|klant|patiënt|rekeninghouder|ontvanger|
        afzender|medewerker|contactpersoon|huurder|aanvrager|van|aan|handtekening)
        (imię|nazwisko|imię i nazwisko|pełne imię|klient|pacjent|posiadacz|odbiorca|nadawca|pracownik|
        najemca|wnioskodawca|kontakt|od|do|podpis)
        (namn|förnamn|efternamn|fullständigt namn|kund|patient|kontoinnehavare|mottagare|avsändare|
        anställd|hyresgäst|sökande|kontaktperson|från|till|underskrift|navn|fornavn|etternavn|efternavn|
        nimi|etunimi|sukunimi)
        (имя|фамилия|отчество|фио|ф и о|полное имя|клиент|пациент|владелец|получатель|отправитель|
        сотрудник|заявитель|контактное лицо|от|кому|подпись)
        (ad|soyad|soyadı|adı soyadı|ad soyad|isim|müşteri|hasta|hesap sahibi|alıcı|gönderen|çalışan|
        yetkili|kimden|kime|imza); (नाम|पूरा नाम|उपनाम|ग्राहक|मरीज|रोगी|प्राप्तकर्ता); (الاسم|الإسم|
        اسم العميل|اسم المريض|العميل|المريض|المستلم|المرسل|الاسم الكامل|اسم العائلة|الموظف); (שם|שם מלא|
        שם פרטי|שם משפחה|לקוח); (όνομα|επώνυμο|ονοματεπώνυμο)
    """,
}
# Who somebody is to the one who writes: behind `my boss` a name in small letters is believed, too.
POSSESSIVES = frozenset(
    "my his her our ur your their mein meine meinem meiner meinen unser unsere mon ma ton ta son sa notre votre"
    " mi tu su nuestro nuestra mio mia tuo tua suo sua nostro nostra meu minha seu nosso nossa mijn onze"
    " mój moja mojego mojej mojemu moją min mitt vår мой моя мою моего моей моему".split()
)
OF_RELATIONS = frozenset(
    "new old ex best older younger little big late step twin former future alte neue beste petit petite grand"
    " mejor migliore melhor".split()
)
RELATIONS = frozenset(
    "wife husband hubby son daughter mother father mom mum dad brother bro sister sis friend bestie bff boss"
    " manager supervisor coworker worker colleague neighbor neighbour partner girlfriend gf boyfriend bf fiance"
    " fiancee fiancé fiancée uncle aunt auntie cousin nephew niece grandmother grandfather grandma grandpa teacher"
    " doctor lawyer therapist roommate housemate flatmate landlord landlady kid baby ex crush mate buddy classmate"
    " teammate client student stepson stepdaughter stepdad stepmom girl boy tutor nurse coach assistant"
    " mann frau sohn tochter bruder schwester mutter vater freund freundin chef chefin kollege kollegin nachbar"
    " nachbarin opa oma onkel tante cousine partnerin schwager schwägerin neffe nichte mitbewohner mitbewohnerin"
    " mari femme fils fille frère sœur soeur mère père ami amie pote collègue cheffe patron patronne voisin voisine"
    " copain copine oncle neveu nièce coloc conjoint conjointe"
    " esposo esposa marido mujer hijo hija hermano hermana madre padre mamá papá amigo amiga jefe jefa novio novia"
    " vecino vecina compañero compañera primo prima tío tía abuelo abuela sobrino sobrina cuñado cuñada pareja"
    " casero casera marito moglie figlio figlia fratello sorella mamma papà amico amica capo collega fidanzato"
    " fidanzata ragazzo ragazza vicino vicina cugino cugina zio zia nonno nonna nipote compagno compagna"
    " mulher filho filha irmão irmã mãe pai chefe namorado namorada vizinho vizinha tio tia avô avó sobrinho"
    " sobrinha colega patrão patroa noivo noiva"
    " man vrouw zoon dochter broer zus zusje moeder vader vriend vriendin baas buurman buurvrouw oom neef nicht"
    " mąż żona syn córka brat siostra mama tata szef szefowa kolega koleżanka przyjaciel przyjaciółka chłopak"
    " dziewczyna sąsiad sąsiadka babcia dziadek fru dotter bror syster pappa vän kompis kollega sambo granne"
    " flickvän pojkvän kusin farmor mormor farfar morfar"
    " муж жена сын дочь брат сестра мама папа друг подруга начальник начальница коллега сосед соседка бабушка"
    " дедушка парень девушка мужа жену сына брата сестру".split()
)
# The same without a word of possession, or with it in the ending.
RELATIONS_ALONE = frozenset(
    "dr mr mrs prof mister eşim oğlum kızım kardeşim ablam abim arkadaşım sevgilim patronum müdürüm komşum kuzenim"
    " amcam dayım teyzem halam".split()
)
