# ruff: noqa: E501
"""Messages with personal details, written for the scorer: `<<name>>` is a detail that labelled_messages.py fills in.

(kind of writing, text) by language; `any` is for every language. A detail of the same name is the same one within a
message. The templates are the judge of the detector: they are not to be read while it is written.
"""

TEMPLATES: dict[str, list[tuple[str, str]]] = {
    "en": [
        ("support", "Hi, my name is <<person>> and I can't log in. My e-mail is <<email>>, phone <<phone>>."),
        ("support", "Hello, this is <<first>> from <<company>>. Please call me back on <<phone>> after 3pm."),
        ("support", "I was charged twice on card <<card>>, expiry 09/27. Name on the card: <<person>>."),
        (
            "support",
            "My customer number is <<account>>, the order still goes to <<address>> instead of the new flat.",
        ),
        (
            "support",
            "Account number: <<account>>\nHolder: <<person>>\nPlease close it and send the rest to <<iban>>.",
        ),
        (
            "support",
            "I forgot the password for <<username>>, the old one was <<password>> and it stopped working",
        ),
        ("support", "can someone ring me?? number is <<phone_raw>> ask for <<first>>"),
        ("support", "My member ID is <<account>> and I was born on <<birth_date>>. What else do you need?"),
        (
            "support",
            "Refund please. Routing number <<routing>>, account <<bank_account>>. Thanks, <<person>>",
        ),
        ("support", "Wire it to SWIFT <<swift>>, beneficiary <<person>>, IBAN <<iban>>."),
        ("support", "The router shows MAC <<mac>> and keeps getting <<ip>>, is that someone else's machine?"),
        (
            "support",
            "Lost my phone, IMEI <<imei>>. Last seen near <<street>>. You can reach me at <<email>>.",
        ),
        (
            "support",
            "Serial number <<serial>> won't boot. Bought by <<person>>, shipped to <<street>>, <<city>>.",
        ),
        ("support", "Someone at <<ip>> logged into my account (<<email>>) last night. I live in <<city>>!"),
        ("support", "you can find me as @<<username>> or at <<url>>"),
        ("medical", "Patient <<person>>, DOB <<birth_date>>, MRN: <<mrn>>. Summarise the discharge letter."),
        (
            "medical",
            "My mother <<person>> is <<age>> years old and was admitted on <<date>>. Is this dose safe?",
        ),
        (
            "medical",
            "Health plan member number <<insurance>>, group 4471. Does it cover physio for <<first>>?",
        ),
        (
            "medical",
            "Dr. <<last>> told me to stop the tablets. Could you draft an email to <<email>> about it?",
        ),
        (
            "medical",
            "Referral for <<person>> (born <<birth_date>>, SSN <<national_id>>). Seen by Dr. <<person2>> on <<date>>.",
        ),
        ("medical", "medical record number <<mrn>> belongs to my son <<first>>, he was born <<birth_date>>"),
        (
            "letter",
            "Dear <<person>>,\n\nThank you for the interview on Monday.\n\nKind regards,\n<<person2>>\n<<address>>\n<<phone>>",
        ),
        (
            "letter",
            "Write a letter to <<person>> at <<company>>, <<address>>, saying I resign. Sign it <<person2>>.",
        ),
        ("letter", "Dear Mrs <<last>>,\nI am sorry that <<first2>> missed school. Best wishes, <<person2>>"),
        (
            "letter",
            "Make this cover letter better: I, <<person>>, of <<street>>, <<city>> <<postcode>>, apply for the job at <<company>>.",
        ),
        (
            "letter",
            'Rewrite: "<<person>> and <<person2>> met at the office of <<company>> in <<city>> to sign."',
        ),
        (
            "signature",
            "See attached.\n\n--\n<<person>>\nHead of Sales, <<company>>\nTel: <<phone>> | <<email>>\n<<url>>",
        ),
        ("signature", "Cheers\n<<first>>\n\nSent from my phone <<phone>>"),
        (
            "form",
            "First name: <<first>>\nLast name: <<last>>\nDate of birth: <<birth_date>>\nPassport no.: <<passport>>\nE-mail: <<email>>",
        ),
        (
            "form",
            "Name: <<person>>\nAddress: <<street>>\nCity: <<city>>\nZIP: <<postcode>>\nPhone: <<phone>>",
        ),
        ("form", "Driver's license: <<driver>>\nPlate: <<plate>>\nVIN: <<vin>>\nOwner: <<person>>"),
        (
            "form",
            "Employee: <<person>>\nSSN: <<national_id>>\nBank: routing <<routing>>, account number <<bank_account>>",
        ),
        ("chat", "my friend <<person>> wants to learn guitar, where should she start"),
        ("chat", "Is <<person>> a good name for a villain? My neighbour <<person2>> would laugh."),
        (
            "chat",
            "I think <<first>> is angry with me because I forgot her birthday (<<birth_date>>). What do I say?",
        ),
        ("chat", "Help me plan a party for <<first>> and <<first2>> at <<street>>, about 20 people."),
        ("chat", "We moved from <<city>> to <<city2>> in spring; how do I tell the tax office?"),
        ("chat", "I work at <<company>> with <<person>>, who got promoted over me."),
        ("chat", "ask <<person>>'s lawyer, <<person2>>, whether the old will still counts"),
        ("chat", "Roast my LinkedIn: <<url>>"),
        ("chat", "i'm <<first>> btw, 34, living in <<city>>. my landlord <<person2>> won't fix the heating"),
        (
            "chat",
            "Translate into French: My passport number is <<passport>> and I was born on <<birth_date>>.",
        ),
        ("chat", "send 0.2 BTC to <<wallet>> - is this address valid?"),
        ("chat", "Our accountant <<person>> (tax ID <<national_id>>) needs the forms by Friday."),
        ("chat", "My nursing license number <<pro_licence>> expires soon. How do I renew it?"),
        ("chat", "Grandpa <<last>> turned <<age>> last week and still drives a car with plate <<plate>>."),
        ("chat", "What does it mean when <<email>> bounces but <<email2>> works?"),
        (
            "chat",
            "<<person>>: are you coming?\n<<person2>>: no, at the dentist\n<<person>>: ok call me <<phone>>",
        ),
        ("chat", "Could you email <<person>> (<<email>>) and cc <<person2>> (<<email2>>)?"),
        (
            "list",
            "Guests:\n1. <<person>> - <<phone>>\n2. <<person2>> - <<phone2>>\n3. <<person3>> - <<email>>",
        ),
        (
            "list",
            "- <<person>>, <<street>>\n- <<person2>>, <<street2>>\n- <<person3>>, <<street3>>\nSort these by name.",
        ),
        (
            "coding",
            "Why does this fail?\n```\ncurl -H 'Authorization: Bearer <<api_key>>' https://api.example.com/v1/me\n```",
        ),
        (
            "coding",
            "export OPENAI_API_KEY=<<api_key>>\nexport DATABASE_URL=<<cred_url>>\nmy app still says unauthorized",
        ),
        ("coding", "ssh <<username>>@<<ip>> asks for a password, I enter <<password>> and it is refused"),
        ("coding", 'conn = psycopg2.connect("<<connection_string>>")  # times out'),
        ("coding", "my deploy key:\n<<private_key>>\nwhy is the format invalid?"),
        ("coding", "git log shows `Author: <<person>> <<<email>>>`, how do I rewrite that?"),
        ("spoken", "so yeah my number is <<spelled_phone>> and the mail is <<spelled_email>> ok?"),
        ("spoken", "write to <<spelled_email>> please"),
    ],
    "de": [
        (
            "support",
            "Hallo, mein Name ist <<person>> und ich komme nicht mehr in mein Konto. E-Mail: <<email>>, Tel. <<phone>>.",
        ),
        ("support", "Meine Kundennummer lautet <<account>>, bitte überweisen Sie auf IBAN <<iban>>."),
        (
            "support",
            "Ich wohne jetzt in der <<street>>, <<postcode>> <<city>>. Bitte die Adresse ändern. Gruß <<first>>",
        ),
        ("support", "meine karte <<card>> wurde gesperrt, ruft mich an unter <<phone_raw>>"),
        (
            "medical",
            "Patientin: <<person>>, geb. <<birth_date>>, Versichertennummer <<insurance>>. Fasse den Befund zusammen.",
        ),
        (
            "medical",
            "Meine Oma, Frau <<last>>, ist <<age>> Jahre alt und nimmt seit dem <<date>> Marcumar. Was darf sie essen?",
        ),
        (
            "letter",
            "Sehr geehrte Frau <<last>>,\n\nhiermit kündige ich zum Monatsende.\n\nMit freundlichen Grüßen\n<<person2>>\n<<address>>",
        ),
        (
            "letter",
            "Schreib eine Bewerbung an die <<company>> in <<city>>, Ansprechpartner ist Herr <<last2>>. Ich heiße <<person>>.",
        ),
        (
            "form",
            "Vorname: <<first>>\nNachname: <<last>>\nGeburtsdatum: <<birth_date>>\nSteuer-ID: <<national_id>>\nReisepass: <<passport>>",
        ),
        ("form", "Kontoinhaber: <<person>>\nIBAN: <<iban>>\nTelefon: <<phone>>\nKennzeichen: <<plate>>"),
        ("chat", "Mein Kollege <<person>> hat mir von <<city>> erzählt, lohnt sich das für ein Wochenende?"),
        (
            "chat",
            "Kannst du <<first>> und <<first2>> ein Gedicht zur Hochzeit schreiben? Sie heiraten in <<city>>.",
        ),
        ("chat", "ich bin <<first>>, ich arbeite bei <<company>> und suche was neues"),
        (
            "chat",
            "Der Vermieter heißt <<person>>, wohnt <<street>> in <<city>> und antwortet nicht auf <<email>>.",
        ),
        ("chat", "Ich bin am <<birth_date>> geboren, welches Sternzeichen ist das?"),
        ("list", "Teilnehmer:\n- <<person>>, <<phone>>\n- <<person2>>, <<email>>\n- <<person3>>, <<phone2>>"),
        ("spoken", "schreib mir an <<spelled_email>> oder ruf an"),
    ],
    "fr": [
        (
            "support",
            "Bonjour, je m'appelle <<person>> et je n'arrive plus à me connecter. Mon e-mail : <<email>>, tél. <<phone>>.",
        ),
        ("support", "Mon numéro de client est <<account>>, merci de rembourser sur l'IBAN <<iban>>."),
        (
            "support",
            "J'ai déménagé au <<street>>, <<postcode>> <<city>>. Pouvez-vous changer mon adresse ? <<first>>",
        ),
        ("support", "ma carte <<card>> est bloquée, appelez moi au <<phone_raw>>"),
        (
            "medical",
            "Patient : <<person>>, né le <<birth_date>>, numéro de sécurité sociale <<national_id>>. Résumez le compte rendu.",
        ),
        (
            "medical",
            "Ma grand-mère, Mme <<last>>, a <<age>> ans et a été opérée le <<date>>. Quels exercices pour elle ?",
        ),
        (
            "letter",
            "Madame <<last>>,\n\nJe vous informe de ma démission.\n\nCordialement,\n<<person2>>\n<<address>>",
        ),
        (
            "letter",
            "Rédige une lettre à <<person>>, de la société <<company>> à <<city>>, pour demander un stage.",
        ),
        (
            "form",
            "Prénom : <<first>>\nNom : <<last>>\nDate de naissance : <<birth_date>>\nPasseport : <<passport>>\nTéléphone : <<phone>>",
        ),
        (
            "form",
            "Titulaire : <<person>>\nIBAN : <<iban>>\nImmatriculation : <<plate>>\nAdresse : <<address>>",
        ),
        ("chat", "Mon collègue <<person>> vient de <<city>>, que lui offrir pour son départ ?"),
        ("chat", "Écris un poème pour <<first>> et <<first2>> qui se marient en juin."),
        ("chat", "moi c'est <<first>>, je bosse chez <<company>> et je m'ennuie"),
        ("chat", "Je suis née le <<birth_date>>, quel est mon signe ?"),
        ("chat", "Le propriétaire, M. <<last>>, habite <<street>> et ne répond pas à <<email>>."),
        (
            "list",
            "Invités :\n1. <<person>> (<<phone>>)\n2. <<person2>> (<<email>>)\n3. <<person3>> (<<phone2>>)",
        ),
        ("spoken", "mon adresse c'est <<spelled_email>> voilà"),
    ],
    "es": [
        (
            "support",
            "Hola, me llamo <<person>> y no puedo entrar en mi cuenta. Mi correo es <<email>> y mi teléfono <<phone>>.",
        ),
        ("support", "Mi número de cliente es <<account>>; devuelvan el dinero al IBAN <<iban>>, por favor."),
        (
            "support",
            "Ahora vivo en <<street>>, <<postcode>> <<city>>. ¿Pueden cambiar la dirección? Gracias, <<first>>",
        ),
        ("support", "me han bloqueado la tarjeta <<card>>, llamadme al <<phone_raw>>"),
        (
            "medical",
            "Paciente: <<person>>, fecha de nacimiento <<birth_date>>, historia clínica <<mrn>>. Resume el informe.",
        ),
        (
            "medical",
            "Mi abuela, la señora <<last>>, tiene <<age>> años y la operaron el <<date>>. ¿Qué puede comer?",
        ),
        (
            "letter",
            "Estimada Sra. <<last>>:\n\nLe comunico mi renuncia.\n\nAtentamente,\n<<person2>>\n<<address>>",
        ),
        ("letter", "Escribe una carta a <<person>>, de <<company>>, en <<city>>, pidiendo una entrevista."),
        (
            "form",
            "Nombre: <<first>>\nApellidos: <<last>>\nFecha de nacimiento: <<birth_date>>\nDNI: <<national_id>>\nPasaporte: <<passport>>",
        ),
        ("form", "Titular: <<person>>\nIBAN: <<iban>>\nMatrícula: <<plate>>\nTeléfono: <<phone>>"),
        ("chat", "Mi compañero <<person>> es de <<city>> y se casa, ¿qué le regalo?"),
        ("chat", "Escribe un cuento para <<first>> y su hermana <<first2>>, que tienen 6 y 8 años."),
        ("chat", "soy <<first>>, trabajo en <<company>> y quiero cambiar de vida"),
        ("chat", "Nací el <<birth_date>>, ¿qué signo soy?"),
        (
            "chat",
            "El casero, don <<person>>, vive en <<street>> y no contesta a <<email>>. Mi DNI es <<national_id>>.",
        ),
        ("list", "Invitados:\n- <<person>>: <<phone>>\n- <<person2>>: <<email>>\n- <<person3>>: <<phone2>>"),
        ("spoken", "mi correo es <<spelled_email>> gracias"),
    ],
    "it": [
        (
            "support",
            "Buongiorno, mi chiamo <<person>> e non riesco ad accedere. La mia email è <<email>>, telefono <<phone>>.",
        ),
        ("support", "Il mio numero cliente è <<account>>, il rimborso va sull'IBAN <<iban>>."),
        (
            "support",
            "Ora abito in <<street>>, <<postcode>> <<city>>. Potete cambiare l'indirizzo? Grazie, <<first>>",
        ),
        ("support", "mi hanno bloccato la carta <<card>>, chiamatemi al <<phone_raw>>"),
        (
            "medical",
            "Paziente: <<person>>, nato il <<birth_date>>, codice fiscale <<national_id>>. Riassumi il referto.",
        ),
        (
            "medical",
            "Mia nonna, la signora <<last>>, ha <<age>> anni ed è stata operata il <<date>>. Cosa può mangiare?",
        ),
        (
            "letter",
            "Gentile Dott.ssa <<last>>,\n\nLe comunico le mie dimissioni.\n\nCordiali saluti,\n<<person2>>\n<<address>>",
        ),
        (
            "letter",
            "Scrivi una lettera a <<person>> della <<company>> di <<city>> per chiedere un colloquio.",
        ),
        (
            "form",
            "Nome: <<first>>\nCognome: <<last>>\nData di nascita: <<birth_date>>\nPassaporto: <<passport>>\nTel: <<phone>>",
        ),
        ("chat", "Il mio collega <<person>> è di <<city>>, cosa gli regalo?"),
        ("chat", "Scrivi una filastrocca per <<first>> e <<first2>>."),
        ("chat", "sono <<first>>, lavoro da <<company>> e vorrei cambiare"),
        ("chat", "Sono nata il <<birth_date>>, di che segno sono?"),
        ("list", "Invitati:\n- <<person>>: <<phone>>\n- <<person2>>: <<email>>\n- <<person3>>: <<phone2>>"),
    ],
    "pt": [
        (
            "support",
            "Olá, meu nome é <<person>> e não consigo entrar na conta. E-mail <<email>>, telefone <<phone>>.",
        ),
        ("support", "Meu número de cliente é <<account>> e o CPF é <<national_id>>. Quero cancelar."),
        (
            "support",
            "Agora moro na <<street>>, <<city>>, CEP <<postcode>>. Podem mudar o endereço? Obrigado, <<first>>",
        ),
        ("support", "bloquearam meu cartão <<card>>, me liguem no <<phone_raw>>"),
        (
            "medical",
            "Paciente: <<person>>, data de nascimento <<birth_date>>, prontuário <<mrn>>. Resuma o laudo.",
        ),
        (
            "medical",
            "Minha avó, dona <<first>>, tem <<age>> anos e foi internada em <<date>>. Ela pode tomar café?",
        ),
        (
            "letter",
            "Prezada Sra. <<last>>,\n\nComunico meu desligamento.\n\nAtenciosamente,\n<<person2>>\n<<address>>",
        ),
        ("letter", "Escreva uma carta para <<person>>, da <<company>>, pedindo uma entrevista em <<city>>."),
        (
            "form",
            "Nome: <<person>>\nNascimento: <<birth_date>>\nCPF: <<national_id>>\nCelular: <<phone>>\nPlaca: <<plate>>",
        ),
        ("chat", "Meu colega <<person>> é de <<city>>, o que dou de presente?"),
        ("chat", "Faça um poema para <<first>> e <<first2>>, que vão se casar."),
        ("chat", "sou <<first>>, trabalho na <<company>> e estou cansado"),
        ("chat", "Nasci em <<birth_date>>, qual é meu signo?"),
        ("list", "Convidados:\n- <<person>>: <<phone>>\n- <<person2>>: <<email>>\n- <<person3>>: <<phone2>>"),
    ],
    "nl": [
        (
            "support",
            "Hallo, mijn naam is <<person>> en ik kan niet inloggen. Mijn e-mail is <<email>>, telefoon <<phone>>.",
        ),
        ("support", "Mijn klantnummer is <<account>>, graag terugstorten op <<iban>>."),
        (
            "support",
            "Ik woon nu op <<street>>, <<postcode>> <<city>>. Kunt u het adres wijzigen? Groet, <<first>>",
        ),
        (
            "medical",
            "Patiënt: <<person>>, geboren op <<birth_date>>, BSN <<national_id>>. Vat de brief samen.",
        ),
        ("medical", "Mijn oma, mevrouw <<last>>, is <<age>> jaar en ligt sinds <<date>> in het ziekenhuis."),
        (
            "letter",
            "Geachte mevrouw <<last>>,\n\nHierbij zeg ik mijn baan op.\n\nMet vriendelijke groet,\n<<person2>>\n<<address>>",
        ),
        ("chat", "Mijn collega <<person>> komt uit <<city>>, wat geef ik hem cadeau?"),
        ("chat", "Schrijf een gedicht voor <<first>> en <<first2>> die gaan trouwen."),
        ("chat", "ik ben <<first>>, ik werk bij <<company>> en zoek iets anders"),
        (
            "form",
            "Voornaam: <<first>>\nAchternaam: <<last>>\nGeboortedatum: <<birth_date>>\nPaspoort: <<passport>>\nTelefoon: <<phone>>",
        ),
    ],
    "pl": [
        (
            "support",
            "Dzień dobry, nazywam się <<person>> i nie mogę się zalogować. Mój e-mail to <<email>>, telefon <<phone>>.",
        ),
        ("support", "Mój numer klienta to <<account>>, proszę o zwrot na konto <<iban>>."),
        (
            "medical",
            "Pacjent: <<person>>, data urodzenia <<birth_date>>, PESEL <<national_id>>. Streść wypis.",
        ),
        (
            "letter",
            "Szanowna Pani <<last>>,\n\nskładam wypowiedzenie.\n\nZ poważaniem,\n<<person2>>\n<<address>>",
        ),
        ("chat", "Mój kolega nazywa się <<person>>, co mu kupić na urodziny?"),
        ("chat", "mam na imię <<first>>, pracuję w <<company>> i szukam czegoś nowego"),
        (
            "form",
            "Imię: <<first>>\nNazwisko: <<last>>\nData urodzenia: <<birth_date>>\nAdres: <<address>>\nTelefon: <<phone>>",
        ),
        ("list", "Goście:\n- <<person>>: <<phone>>\n- <<person2>>: <<email>>"),
    ],
    "sv": [
        (
            "support",
            "Hej, jag heter <<person>> och kan inte logga in. Min e-post är <<email>>, telefon <<phone>>.",
        ),
        ("support", "Mitt kundnummer är <<account>>, sätt in pengarna på <<iban>> tack."),
        (
            "medical",
            "Patient: <<person>>, född <<birth_date>>, personnummer <<national_id>>. Sammanfatta journalen.",
        ),
        (
            "letter",
            "Hej <<first>>,\n\nTack för mötet i <<city>>.\n\nMed vänliga hälsningar\n<<person2>>\n<<address>>",
        ),
        ("chat", "Min kollega <<person>> fyller år, vad ska jag köpa?"),
        (
            "form",
            "Förnamn: <<first>>\nEfternamn: <<last>>\nFödelsedatum: <<birth_date>>\nAdress: <<address>>\nTelefon: <<phone>>",
        ),
    ],
    "tr": [
        (
            "support",
            "Merhaba, benim adım <<person>>, hesabıma giremiyorum. E-postam <<email>>, telefonum <<phone>>.",
        ),
        ("support", "Müşteri numaram <<account>>, iadeyi <<iban>> hesabına yapın lütfen."),
        (
            "medical",
            "Hasta: <<person>>, doğum tarihi <<birth_date>>, TC kimlik no <<national_id>>. Raporu özetle.",
        ),
        ("letter", "Sayın <<person>>,\n\nGörüşme için teşekkürler.\n\nSaygılarımla,\n<<person2>>\n<<phone>>"),
        ("chat", "Arkadaşım <<person>> evleniyor, ne hediye alsam?"),
        (
            "form",
            "Ad: <<first>>\nSoyad: <<last>>\nDoğum tarihi: <<birth_date>>\nTelefon: <<phone>>\nE-posta: <<email>>",
        ),
    ],
    "zh": [
        ("support", "你好，我叫<<person>>，登录不了账户。我的邮箱是<<email>>，电话<<phone>>。"),
        ("support", "我的客户编号是<<account>>，请把钱退到银行卡<<card>>。"),
        ("support", "我搬家了，新地址：<<street>>，邮编<<postcode>>。联系人<<person>>，手机<<phone>>"),
        ("medical", "患者<<person>>，出生日期<<birth_date>>，身份证号<<national_id>>，请总结病历。"),
        ("medical", "我奶奶今年<<age>>岁，病历号<<mrn>>，可以吃这个药吗？"),
        ("letter", "尊敬的<<person>>先生：\n感谢您的来信。\n此致\n敬礼\n<<person2>>"),
        ("letter", "帮我给<<company>>的<<person>>写一封求职信。"),
        ("chat", "我的同事<<person>>要结婚了，送什么好？"),
        ("chat", "我是<<person>>，住在<<city>>，想学吉他。"),
        ("chat", "请给我女儿<<person>>写一首诗，她生日是<<birth_date>>。"),
        (
            "form",
            "姓名：<<person>>\n出生日期：<<birth_date>>\n手机：<<phone>>\n邮箱：<<email>>\n护照号：<<passport>>",
        ),
        ("list", "名单：\n1. <<person>> <<phone>>\n2. <<person2>> <<phone2>>\n3. <<person3>> <<email>>"),
    ],
    "ja": [
        (
            "support",
            "こんにちは、<<person>>と申します。ログインできません。メールは<<email>>、電話は<<phone>>です。",
        ),
        ("support", "お客様番号は<<account>>です。返金をお願いします。<<person>>"),
        ("support", "住所が変わりました。〒<<postcode>> <<street>> 電話<<phone>>"),
        ("medical", "患者：<<person>>様、生年月日<<birth_date>>、診察券番号<<mrn>>。要約してください。"),
        (
            "letter",
            "<<last>>様\n\nお世話になっております。<<company>>の<<person2>>です。\n\nよろしくお願いいたします。",
        ),
        ("chat", "友達の<<person>>さんが結婚します。何をあげたらいいですか？"),
        ("chat", "私の名前は<<person>>です。マイナンバーは<<national_id>>です。"),
        (
            "form",
            "氏名：<<person>>\n生年月日：<<birth_date>>\n電話番号：<<phone>>\nメール：<<email>>\nパスポート番号：<<passport>>",
        ),
    ],
    "any": [
        (
            "json",
            '{"customer": {"name": "<<person>>", "email": "<<email>>", "phone": "<<phone>>"}, "items": [{"sku": "A-104", "qty": 2}]}',
        ),
        (
            "json",
            '[{"id": 7, "first_name": "<<first>>", "last_name": "<<last>>", "ip": "<<ip>>", "active": true}]',
        ),
        (
            "json",
            '{"tool": "transfer", "arguments": {"iban": "<<iban>>", "holder": "<<person>>", "amount": 120.5, "currency": "EUR"}}',
        ),
        (
            "csv",
            "name;email;phone;dob\n<<person>>;<<email>>;<<phone>>;<<birth_date>>\n<<person2>>;<<email2>>;<<phone2>>;<<birth_date2>>",
        ),
        ("csv", "id,card,iban\n1,<<card>>,<<iban>>\n2,<<card2>>,<<iban2>>"),
        (
            "csv",
            "| name | city | e-mail |\n|---|---|---|\n| <<person>> | <<city>> | <<email>> |\n| <<person2>> | <<city2>> | <<email2>> |",
        ),
        (
            "code",
            "# maintainer: <<person>> <<<email>>>\ndef total(rows):\n    return sum(row.price for row in rows)",
        ),
        (
            "code",
            '// TODO(<<username>>): ask <<person>> (<<email>>) before the release\nconst host = "<<ip>>";',
        ),
        (
            "code",
            'DB_URL = "<<cred_url>>"\nAPI_KEY = "<<api_key>>"\nclient = Client(DB_URL, API_KEY, timeout=30)',
        ),
        ("code", "curl -u <<username>>:<<password>> https://intranet.example.com/api/v2/users"),
        (
            "code",
            "INSERT INTO users (name, email, ssn) VALUES ('<<person>>', '<<email>>', '<<national_id>>');",
        ),
        ("log", "2026-02-11 10:22:31,114 WARN auth - login failed user=<<email>> ip=<<ip>> agent=curl/8.5.0"),
        (
            "log",
            "Feb 11 10:22:31 gw sshd[4121]: Accepted password for <<username>> from <<ip6>> port 52114 ssh2",
        ),
        (
            "json",
            '{"device": {"mac": "<<mac>>", "imei": "<<imei>>", "serial": "<<serial>>"}, "owner": "<<person>>", "ok": true}',
        ),
        (
            "json",
            '{"policyholder": {"name": "<<person>>", "passport_number": "<<passport>>", "date_of_birth": "<<birth_date>>", "vin": "<<vin>>"}}',
        ),
        (
            "json",
            '{"account_number": "<<account>>", "driver_license": "<<driver>>", "member": "<<person>>", "address": "<<address>>"}',
        ),
        (
            "code",
            "os.environ['PASSWORD'] = '<<password>>'\nengine = create_engine(\"<<connection_string>>\")",
        ),
        ("code", "const pem = `<<private_key>>`;\nsign(pem, '<<email>>');"),
        (
            "form",
            "MAC address: <<mac>>\nIMEI: <<imei>>\nPassport number: <<passport>>\nDriver's license: <<driver>>\nLicense no.: <<pro_licence>>",
        ),
        (
            "form",
            "Routing number: <<routing>>\nAccount number: <<bank_account>>\nBIC/SWIFT: <<swift>>\nMedical record number: <<mrn>>",
        ),
        ("contact", "<<person>>\n<<address>>\n<<phone>>\n<<email>>"),
        ("contact", "<<email>> / <<phone>> / <<url>>"),
        ("contact", "BTC: <<wallet>>\nIBAN: <<iban>>\n<<person>>"),
    ],
}
