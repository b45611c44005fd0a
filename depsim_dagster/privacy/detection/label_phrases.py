"""The phrases that announce personal details, by kind, in the notation of privacy/detection/labels.py.

Kinds are types of details; those of persons, dates and the like are read by the modules of these families.
"""

from __future__ import annotations

NUMBER_PHRASES: dict[str, str] = {
    "national_id": """
        (ssn|ssns|nino|itin|ein|tin|utr|nhs|nhi|cpf|cnpj|dni|nie|nif|nuss|curp|cedula|cédula|rut|cuil|
        cuit|nir|pesel|nip|regon|bsn|oib|cnp|egn|rrn|aadhaar|aadhar|uidai|tckn|hetu|nric|hkid|mykad|nik|
        ktp|insz|niss|ahv|svnr|snils|ppsn|idnr|rg|tfn) [number|no|id|card]
        (pan|sin|rfc) (number|card|no); vat (id|no|number)
        social (security|sec|insurance|number|num) [number|no|num|card|id]; socialnumber; socialnum
        national (insurance|id|identification|identity|identifier|health) [number|no|num|card|service number]
        tax [payer] (id|identification|file|number|no|num|ref|reference|identifier) [number|no|num];
        taxpayer (id|identification|number) [number]; taxnum
        id (card|number|num|no|document) [number|no|num]; idcard [num|number]; idcardnum
        (identity|identification) (card|number|document|no|code|num) [number|no|num]
        personal (id|identity|identification|number|code|no) [number|no|code]
        (citizen|citizenship|voter|government|gov|photo|resident) (id|number|card) [number|no];
        residence permit [number|no]; green card [number]; alien [registration] number; visa number; state id
        steuer (id|nr|nummer); steuer ident*; steueridentifikationsnummer; steuernummer;
        steuerliche identifikationsnummer; identifikationsnummer
        sozialversicherungs* [nr|nummer]; rentenversicherungs*; sv nummer; personalausweis* [nr|nummer|
        nummer lautet]; ausweisnummer; ausweis [nr|nummer]; personenkennzahl; identitätskarte*
        [numéro de] sécurité sociale; [numéro de] sécu; numéro fiscal; numéro (de |d )(identification|
        identité); [numéro de] carte [nationale] d (identité|identite); cni; insee; numéro national
        documento (nacional|de|nacional de) [identidad]; seguridad social; seguro social;
        cédula de (identidad|ciudadanía); número de (identificación|identidad|la seguridad social|
        seguridad social); identificación fiscal; carnet de identidad
        codice fiscale; partita iva; carta d identità; documento d identità; tessera sanitaria; c f
        [número de] identidade; carteira de identidade; cartão de cidadão; [número de] contribuinte;
        segurança social; título de eleitor; número de identificação; pis
        burgerservicenummer; rijksregisternummer; identiteitskaart*; identiteitsnummer; id kaart;
        sofinummer; persoonsnummer
        (numer|nr|numerem) (pesel|dowodu|dowodu osobistego|identyfikacyjny|nip|identyfikacji podatkowej);
        dow* osobist*
        personnummer*; samordningsnummer; fødselsnummer; cpr [nr|nummer]; henkilötunnus; id kort*;
        id nummer; legitimation*; organisationsnummer
        (t c|tc) kimlik [no|numarası|numaram|numarasi]; kimlik (no|numarası|numaram|numarasi); vergi (no|
        numarası)
        инн; снилс; удостоверени* личности; (आधार|पैन) [नंबर|संख्या|कार्ड|कार्ड नंबर]; (الهوية|هوية|
        الهويه) [الوطنية]; الرقم (القومي|الوطني); تعودת זהות; תעודת זהות; rodné číslo; datas numurs;
        номер соцстрахования
    """,
    "passport": """
        passport [number|no|num|book|id|card|book number]; passports; passportnum
        passeport; pasaporte; passaporto; passaporte; reisepass* [nr|nummer]; passnummer*; pass nr;
        paspoort*; paszport*; passnr; pasaport*; паспорт*; загранпаспорт*; पासपोर्ट [नंबर]; جواز [السفر|
        سفر]; דרכון
    """,
    "driver_licence": """
        (driver|drivers|driver s|driving) (license|licence|permit|lic|licenses) [number|no|num|id];
        driverlicense; driverslicense; driverlicence; driverlicensenum; (license|licence) (number|no|
        num); (dl|dln) [number|no]
        führerschein* [nr|nummer]; fahrerlaubnis*; permis [de conduire]; (licencia|permiso|carné|carnet|
        número de licencia) de (conducir|conductor|manejo); patente [di guida]; (carteira de|
        carta de) (habilitação|motorista|condução); cnh
        rijbewijs*; praw* jazdy; körkort*; førerkort*; kørekort*; водительск* (удостоверени*|прав*);
        ehliyet*; sürücü belgesi; ड्राइविंग लाइसेंस; رخصة القيادة
    """,
    "medical_record": """
        mrn; medical (record|records|file|id) [number|no|num|id]; health (record|plan|insurance|card|care|
        id|policy) [beneficiary|member|policy|card] [number|no|num|id]; healthcare (number|id|no)
        patient (id|number|no|record|identifier|code|ref) [number]; patientid; chart (number|no);
        hospital (number|no|id); (medicare|medicaid) [number|card|id|beneficiary|card number]; (mbi|
        hicn); beneficiary (number|id|no|identifier)
        (insurance|policy|subscriber|prescription|rx|specimen|accession|encounter|admission|claim|case|
        lab|visit) (number|no|id|policy|card|num) [number|no|id]; insurance (policy|card|member|group|
        id) (number|no|id|is); group number; biometric (id|identifier|template|data|number); fingerprint id
        patientennummer; patienten (id|nr|nummer); krankenversicher* [nr|nummer]; versicherten* [nr|
        nummer]; versicherung* [nr|nummer]; fallnummer; aktenzeichen; police* nr
        dossier (médical|patient); numéro (de dossier|d assuré|de patient|d adhérent|de police);
        carte vitale; mutuelle; police d assurance
        historia clínica; historial médico; (número de|n.º de) (paciente|historia|historia clínica|póliza|
        afiliado|expediente); expediente [médico]; póliza; tarjeta sanitaria
        cartella clinica; (numero|codice) (paziente|di polizza|polizza|cartella|tessera|assicurazione);
        polizza; (número do|nº do) (prontuário|paciente); prontuário; carteirinha; cartão (sus|
        nacional de saúde); apólice
        patiëntnummer; patientnummer; polisnummer; zorgverzekering*; verzekering*; (numer|nr) (pacjenta|
        polisy|ubezpieczenia|kartoteki); polis*; journalnummer; försäkring*; (медицинск*|
        номер медицинской) карт*; полис*; омс; (hasta|poliçe|sigorta) (no|numarası); رقم (الملف|التأمين|
        المريض)
    """,
    "licence_number": """
        npi [number]; dea [number|no]; bar (number|no|license); (certificate|certification|credential|
        registration|accreditation) [license|licence] (number|no|num|id|code);
        certificate license [number]; certificatelicensenumber
        (professional|medical|nursing|state|business|pilot|teaching|contractor|physician|occupational|
        practice|notary) (license|licence|registration|certificate|certification|permit) [number|no|id];
        license (id|code)
        approbation*; zulassungsnummer; urkundennummer; zertifikat* [nr|nummer]; numéro (de certificat|
        de licence|rpps|d ordre|d agrément); rpps; número de (colegiado|certificado|licencia|
        registro profesional|licença); colegiado; crm; oab; albo; numero (di certificato|di licenza|albo|
        di iscrizione); big nummer; certificaatnummer; (numer|nr) (certyfikatu|licencji|uprawnień);
        certifikatsnummer; legitimationsnummer; (номер сертификата|сертификат*|лицензи*); sertifika (no|
        numarası); lisans (no|numarası)
    """,
    "bank_account": """
        [bank|checking|savings|current|giro|brokerage] (account|acct|acc) (number|no|num|nr|nos|numbers);
        (bank|checking|savings|brokerage) account; bankaccount; accountnumber; (a/c|ac) (number|no);
        bban; bank (details|number)
        routing [transit] [number|no|code]; aba [number|routing|routing number]; sort code;
        swift [bic] [code|number]; bic [code|swift]; (transit|institution|bsb|clabe|ifsc) [number|code|
        no]; iban [number|no]; direct deposit; wire transfer; sortcode
        konto [nr|nummer]; kontonummer*; bankleitzahl; blz; kontoverbindung; bankverbindung;
        compte [bancaire|courant|épargne]; numéro de compte [bancaire]; rib; code (banque|guichet);
        [número de] cuenta [bancaria|corriente|de ahorros]; conto [corrente|bancario]; numero (di conto|
        conto) [corrente]; [número da] conta [corrente|bancária|poupança]; agência; chave pix; pix
        rekening [nr|nummer]; rekeningnummer*; bankrekening*; (numer|nr|numerem) (konta|
        rachunku) [bankowego]; (konto|kont*|rachun*) [bankow*]; clearing*; bankgiro; plusgiro; kontonr;
        (счет*|счёт*|расчетн* счет*|номер счета|номер счёта); бик; hesap (no|numarası|numaram);
        खाता [संख्या|नंबर]; (رقم الحساب|حساب|الحساب) [البنكي|المصرفي]
    """,
    "account_number": """
        (customer|client|member|membership|user|employee|staff|student|subscriber|account|loyalty|reward|
        rewards|frequent flyer|order|invoice|booking|reservation|confirmation|ticket|tracking|reference|
        transaction|application|contract|payroll|badge|participant|applicant|loan|mortgage|meter|
        library card|gift card|vendor|supplier|tenant|guest|unique|record|file|personnel|purchase|receipt|
        shipment|parcel|return|rma|agent|worker|alumni|faculty|donor|merchant|billing|utility|
        policyholder|registration|enrollment|matriculation|service|request|incident|po) (id|ids|
        identifier|number|numbers|no|num|nr|code|ref|reference) [number|no]
        masked number; (pnr|uid|acct|account|membership|confirmation); case (ref|reference|file)
        kunden (nr|nummer|id|konto|konto nummer); kundennummer*; (mitglieds|mitarbeiter|benutzer|kunden|
        vertrags|rechnungs|bestell|auftrags|buchungs|personal|versicherungs|vorgangs|depot|teilnehmer|
        ticket|sendungs|matrikel|referenz|darlehens|zähler) (nr|nummer|id|code); (mitgliedsnummer|
        mitarbeiternummer|personalnummer|matrikelnummer|vertragsnummer|bestellnummer|auftragsnummer|
        rechnungsnummer|buchungsnummer|buchungscode|vorgangsnummer|sendungsnummer|depotnummer|
        teilnehmernummer|ticketnummer|referenznummer|zählernummer)
        (numéro|n°|no|num|code|id) (de|d|du) (client|abonné|adhérent|membre|commande|dossier|contrat|
        facture|réservation|employé|suivi|compte client|transaction); (numéro|n°|code|id) client;
        référence [client|dossier|du dossier|commande]; matricule; identifiant [client|unique]
        (número|num|nº|n°|n.º|no|código|id) (de|del|do|da) (cliente|socio|sócio|afiliado|empleado|
        funcionário|pedido|contrato|factura|fatura|reserva|expediente|matrícula|membro|usuario|usuário|
        seguimiento|rastreamento|protocolo|colaborador|estudiante|aluno|referencia|referência|
        transacción); id (cliente|empleado|usuario); referencia; protocolo; (código|número) cliente
        (numero|codice|id|n°) [di|del|della] (cliente|socio|ordine|contratto|fattura|prenotazione|pratica|
        dipendente|tessera|utente|tracking|matricola|transazione); matricola; pratica [n]
        (klant|lid|bestel|order|factuur|personeels|dossier|student|contract|relatie|klanten|lidmaatschaps|
        referentie) (nummer|nr|id); (klantnummer|lidnummer|lidmaatschapsnummer|bestelnummer|ordernummer|
        factuurnummer|personeelsnummer|dossiernummer|studentnummer|contractnummer|relatienummer|klantennummer)
        (numer|nr|id|numerem) (klienta|członkowski|członka|zamówienia|umowy|faktury|pracownika|rezerwacji|
        legitymacji|sprawy|przesyłki|referencyjny|transakcji|ewidencyjny)
        (kundnummer|kund id|medlemsnummer|ordernummer|bokningsnummer|anställningsnummer|ärendenummer|
        medlems id|kundenummer|kundenr|asiakasnumero|kundnr|fakturanummer|avtalsnummer|referensnummer)
        (номер|код|id|№) (клиента|заказа|договора|сотрудника|брони|пользователя|счета|билета|
        читательского билета|зачетки); лицевой счет; табельный номер; (müşteri|üye|üyelik|sipariş|öğrenci|
        sicil|personel|abone|rezervasyon|takip) (no|numarası|numaram); (ग्राहक|सदस्य|ऑर्डर) (संख्या|आईडी|
        नंबर); رقم (العميل|العضوية|الطلب|الموظف|الحجز)
    """,
    "device_id": """
        serial; imei [number|no]; imsi; iccid; meid; udid; esn; phoneimei; serial (number|no|num|id);
        serialnumber; s/n; (device|hardware|advertising|android|machine|equipment) (id|identifier|serial|
        number|serial number) [number|no]; sim [card] (number|serial); (implant|pacemaker) (id|serial|
        serial number); asset tag; idfa
        seriennummer; (geräte|gerätenummer) [id|nr|nummer]; numéro de série; número de serie;
        número de série; numero (di serie|seriale); serienummer; (numer|nr) seryjny; серийный номер;
        seri (no|numarası); الرقم التسلسلي
    """,
    "vehicle_id": """
        plate; plates; (vin|vins) [number|no|code]; vehicle (identification|id|identifier|registration|
        reg|plate|license|vin|vrm) [number|no|plate]; vehiclevin; vehiclevrm; (chassis|vrm) [number|no];
        (license|licence|number|registration|reg|car) (plate|plates) [number|no]; licenseplate;
        plate (number|no|num); (reg|registration) (number|no|plate); tag number
        kfz kennzeichen; (kennzeichen|nummernschild|fahrgestellnummer|autokennzeichen); (plaque|numéro|
        n°) (d immatriculation|immatriculation|de plaque); immatricul*; matrícula; placa [do carro|
        del coche|do veículo]; placas; bastidor; targa; telaio; chassi; kenteken*; (numer|
        nr) rejestracyjn*; tablic* rejestracyjn*; registreringsnummer; regnr; reg nr; номер (машины|
        автомобиля|авто); госномер; plaka*; رقم اللوحة
    """,
    "card": """
        card (number|no|num) [is]; (credit|debit|bank|payment) card [number|no]; cardnumber;
        creditcardnumber; creditcard; cc (number|no|num); creditdebitcard
        kartennummer; (kreditkarte|kreditkarten*|bankkarte|ec karte) [nr|nummer]; (numéro de|
        n° de) carte [bancaire|de crédit|bleue]; carte (bancaire|bleue|de crédit);
        [número de] tarjeta [de crédito|de débito]; numero [della] carta [di credito]; numero di carta;
        carta di (credito|debito); [número do] cartão [de crédito|de débito]; kaartnummer; kaart;
        pasnummer; karte; carte; tarjeta; carta; cartão; kort; karta; kartą; kartę; kart; card; कार्ड;
        بطاقة; creditcardnummer; (numer|nr) karty; karta kredytowa; karty kredytowej; kortnummer*;
        kreditkort*; номер карты; карта; (kart|kredi kartı) (no|numarası|numaram); कार्ड (नंबर|संख्या);
        رقم (البطاقة|بطاقة)
    """,
    "security code": """
        cvv; cvv2; cvc; cvc2; cvn; csc; (security|verification|card verification|card security) (code|
        number|value); prüfziffer; sicherheitscode; cryptogramme; código de (seguridad|segurança);
        codice di sicurezza; code de sécurité; beveiligingscode; kod (cvv|zabezpieczający)
    """,
    "pin": """
        pin [code|number|no]; pins; passcode; otp; one time (code|password|passcode|pin); (verification|
        access|security|authentication|auth|2fa|mfa|alarm|gate|door|unlock|confirmation) (code|pin); puk;
        (code|código|codice|kod) pin; pin koodi; (código|codice|code) (de|di) (verificación|verificação|
        verifica|vérification|acceso|accès); (bestätigungscode|zugangscode|verificatiecode|
        verifieringskod|geheimzahl|pincode|pinkod); kod (weryfikacyjny|dostępu); doğrulama kodu;
        пин [код]; пинкод; код подтверждения; पिन; الرمز السري
    """,
}

# Columns of tables; a cell below one is a detail whatever it looks like.
COLUMN_PHRASES: dict[str, str] = {
    "person": """
        [full|first|last|middle|sur|given|family|customer|client|patient|employee|user|contact|student|
        account holder|cardholder|legal|display|maiden|manager|doctor|provider|guest|member|recipient|
        owner|billing|shipping] name; names; surname; fullname; firstname; lastname; forename; patient;
        customer; client; employee; contact; recipient; owner; cardholder; beneficiary; manager; doctor;
        physician; spouse; participant; attendee; guest; member; applicant; candidate; student; teacher;
        person; author; signatory; fname; lname
        vorname; nachname; familienname; kunde; mitarbeiter; inhaber; ansprechpartner; nom; prénom;
        prenom; nom complet; client; nombre; nombre completo; apellido; apellidos; titular; nome;
        nome completo; sobrenome; cognome; cliente; paziente; paciente; naam; voornaam; achternaam;
        klant; imię; nazwisko; imię i nazwisko; klient; pacjent; namn; förnamn; efternamn; kund; navn;
        имя; фамилия; отчество; фио; клиент; ad; soyad; ad soyad; isim; müşteri; 姓名; 名字; 氏名; 名前; 이름; 성명;
        नाम; الاسم
    """,
    "email": "[contact|work|personal|user|primary|customer] (email|e mail|mail|emailaddress) [address|id];"
    " correo [electrónico]; courriel; e post; epost; почта; e posta; eposta; 邮箱; メール; メールアドレス; 이메일",
    "phone": "[contact|work|home|mobile|cell|personal|office|customer] (phone|telephone|tel|mobile|cell"
    "|cellphone|fax) [number|no|num|nr]; phonenumber; telefon; telefonnummer; handy; mobil;"
    " téléphone; teléfono; telefono; telefone; celular; cellulare; móvil; portable; telefoon; nr"
    " telefonu; телефон; gsm; 电话; 手机; 电话号码; 電話; 電話番号; 전화; 전화번호; 휴대폰; फ़ोन; الهاتف",
    "birth_date": "dob; date of birth; birth date; birthdate; birthday; born; geburtsdatum; geboren; date de"
    " naissance; naissance; fecha de nacimiento; nacimiento; data di nascita; data de nascimento;"
    " nascimento; geboortedatum; data urodzenia; födelsedatum; дата рождения; doğum tarihi; 生年月日;"
    " 出生日期; 생년월일",
    "street_address": "[street|home|mailing|billing|shipping|postal|residential] address [line 1|line 2|1|2]; street;"
    " streetaddress; adresse; anschrift; straße; strasse; rue; dirección; direccion; domicilio;"
    " calle; indirizzo; via; endereço; endereco; rua; adres; straat; ulica; adress; gata; адрес;"
    " adres; 地址; 住所; 주소; पता; العنوان",
    "postal_code": "zip; zip code; zipcode; postcode; postal code; postalcode; plz; postleitzahl; code postal;"
    " código postal; codigo postal; cap; cep; kod pocztowy; postnummer; индекс; posta kodu; 邮编; 郵便番号;"
    " 우편번호",
    "place": "city; town; county; location; birthplace; place of birth; hometown; ort; stadt; wohnort; ville;"
    " ciudad; localidad; città; comune; cidade; município; plaats; woonplaats; stad; miasto;"
    " miejscowość; город; şehir; 城市; 市",
    "national_id": "ssn; ssn last 4; social security [number|no]; socialnum; national id; nationalid; tax id; taxid;"
    " id card; idcard; id number; nino; nhs [number]; sin; itin; ein; tin; cpf; cnpj; rg; dni; nie;"
    " nif; curp; rfc; codice fiscale; steuer id; steuernummer; nir; pesel; bsn; personnummer; aadhaar"
    " [number]; aadhar; pan; tckn; tc kimlik no; инн; снилс; 身份证; 身份证号; マイナンバー; 주민등록번호",
    "passport": "passport [number|no|num]; passportnumber; reisepass; passeport; pasaporte; passaporto;"
    " passaporte; paspoort; paszport; паспорт; 护照; 护照号",
    "driver_licence": "(driver|drivers|driving) (license|licence) [number|no]; driverlicense; license number; dl;"
    " führerschein",
    "card": "[credit|debit] card [number|no|num]; creditcard; cardnumber; cc; cc number; cvv; cvc;"
    " kartennummer; kreditkarte; carte; tarjeta; carta; cartão; karta; kaart; 卡号; カード番号",
    "iban": "iban",
    "bank_account": "[bank] account [number|no|num]; bank account; accountnumber; routing [number|no]; swift [code];"
    " bic; sort code; konto; kontonummer; compte; cuenta; conto; conta; rekening; rekeningnummer",
    "account_number": "(customer|client|member|membership|employee|student|account|patient|policy|order|invoice|user)"
    " (id|number|no); customerid; employeeid; memberid; patientid; kundennummer; numéro client;"
    " código cliente; klantnummer",
    "medical_record": "mrn; medical record [number|no]; health plan [id|number]; insurance (id|number); policy number",
    "ip_address": "ip; ip address; ipaddress; ipv4; ipv6; client ip; last ip",
    "mac_address": "mac; mac address",
    "device_id": "imei; device id; serial [number|no]; deviceid",
    "vehicle_id": "vin; plate; license plate; vehicle id; kennzeichen",
    "username": "user name; username; login; handle; nick; nickname; benutzername; usuario; utilisateur",
    "password": "password; passwd; pwd; pass; passwort; contraseña; senha; pin",
    "crypto_wallet": "wallet; wallet address; bitcoin address; btc address; eth address",
}
