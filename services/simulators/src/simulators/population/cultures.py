"""Names, places and telephone habits of the countries that simulated people come from.

Names stand with a Latin spelling beside them, from which e-mail addresses are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Name = tuple[str, str]
City = tuple[str, str, str]
"""City, region (may be empty) and a postal code in which `#` stands for a digit."""


@dataclass(frozen=True, slots=True)
class Culture:
    """One country: `dial` is its prefix, `mobile` and `landline` patterns in which `#` stands for a digit.

    `trunk` is what national numbers begin with; `family_first` says how full names are written.
    """

    country: str
    given: tuple[Name, ...]
    family: tuple[Name, ...]
    cities: tuple[City, ...]
    street: str
    dial: str
    trunk: str
    mobile: str
    landline: str
    domain: str
    prefixes: tuple[str, ...] = ()
    family_first: bool = False


def _names(text: str) -> tuple[Name, ...]:
    """`Zoë=zoe Anna` as pairs; a name without a spelling is its own in lower case."""
    pairs = (entry.partition("=") for entry in text.split())
    return tuple((name.replace("_", " "), latin or name.lower()) for name, _, latin in pairs)


CULTURES: Final[tuple[Culture, ...]] = (
    Culture(
        "United States",
        _names(
            "James Mary Robert Linda Michael Patricia "
            "David Jennifer Zoë=zoe Renée=renee DeShawn=deshawn Mary-Ann=mary-ann"
        ),
        _names(
            "Smith Johnson Williams O'Brien=obrien García=garcia McDonald Washington Van_Dyke=vandyke Lee Nguyen Miller"
        ),
        (("Austin", "TX", "787##"), ("Seattle", "WA", "981##"), ("New York", "NY", "100##")),
        "{n} Main Street",
        "+1",
        "",
        "(512) 555-01##",
        "(206) 555-01##",
        "example.com",
        ("Mr.", "Mrs.", "Ms.", "Dr."),
    ),
    Culture(
        "Germany",
        _names(
            "Jürgen=juergen Käthe=kaethe Björn=bjoern Anna Lukas "
            "Sören=soeren Heike Matthias Ute Klaus-Peter=klaus-peter"
        ),
        _names(
            "Müller=mueller Schäfer=schaefer Groß=gross Weiß=weiss "
            "von_der_Heide=vonderheide Köhler=koehler Schmidt Lüdenscheidt=luedenscheidt"
        ),
        (("München", "Bayern", "80###"), ("Köln", "", "50###"), ("Hamburg", "", "20###")),
        "Hauptstraße {n}",
        "+49",
        "0",
        "1512 34#####",
        "89 1234##",
        "beispiel.example",
        ("Herr", "Frau", "Dr.", "Prof. Dr."),
    ),
    Culture(
        "France",
        _names(
            "Chloé=chloe François=francois Élodie=elodie Jean-Luc=jean-luc "
            "Noël=noel Inès=ines Benoît=benoit Océane=oceane Guy"
        ),
        _names(
            "Lefèvre=lefevre D'Aubigné=daubigne Girard Béranger=beranger "
            "Le_Goff=legoff Moreau Hélène=helene Garçon=garcon"
        ),
        (("Paris", "Île-de-France", "750##"), ("Lyon", "", "690##"), ("Saint-Étienne", "", "420##")),
        "{n}, rue de l'Église",
        "+33",
        "0",
        "6 12 34 ## ##",
        "1 42 68 ## ##",
        "exemple.example",
        ("M.", "Mme", "Dr"),
    ),
    Culture(
        "Spain",
        _names("Íñigo=inigo Begoña=begona José=jose Lucía=lucia Ángel=angel Núria=nuria Martín=martin Pilar"),
        _names(
            "Muñoz=munoz García_Márquez=garciamarquez Pérez=perez "
            "Ibáñez=ibanez Núñez=nunez de_la_Cruz=delacruz López=lopez"
        ),
        (("Madrid", "", "280##"), ("A Coruña", "Galicia", "150##")),
        "Calle de Alcalá, {n}",
        "+34",
        "",
        "612 34 ## ##",
        "912 34 ## ##",
        "ejemplo.example",
        ("Sr.", "Sra.", "Don"),
    ),
    Culture(
        "Poland",
        _names(
            "Łukasz=lukasz Małgorzata=malgorzata Zbigniew Agnieszka Święta=swieta Żaneta=zaneta Jacek Grażyna=grazyna"
        ),
        _names(
            "Wójcik=wojcik Kowalski Dąbrowska=dabrowska Źdźbło=zdzblo Szymański=szymanski Łukasiewicz=lukasiewicz Nowak"
        ),
        (("Łódź", "łódzkie", "90-###"), ("Kraków", "małopolskie", "30-###")),
        "ul. Świętokrzyska {n}",
        "+48",
        "",
        "512 345 ###",
        "12 345 6# ##",
        "przyklad.example",
        ("Pan", "Pani"),
    ),
    Culture(
        "Viet Nam",
        _names("Thị_Hương=huong Văn_Đức=duc Ngọc_Ánh=anh Minh Quỳnh=quynh Hữu_Phước=phuoc"),
        _names("Nguyễn=nguyen Trần=tran Phạm=pham Võ=vo Đặng=dang Huỳnh=huynh"),
        (("Hà Nội", "", "1000##"), ("Đà Nẵng", "", "5500##")),
        "{n} đường Trần Hưng Đạo",
        "+84",
        "0",
        "91 234 56##",
        "24 3825 6###",
        "vidu.example",
        (),
        family_first=True,
    ),
    Culture(
        "Ukraine",
        _names("Олександр=oleksandr Наталія=nataliia Їжак=yizhak Євген=yevhen Ганна=hanna Юрій=yurii"),
        _names("Шевченко=shevchenko Коваленко=kovalenko Ґалаґан=galagan Мельник=melnyk Ткачук=tkachuk"),
        (("Київ", "", "010##"), ("Львів", "", "790##")),
        "вул. Хрещатик, {n}",
        "+380",
        "0",
        "67 123 45 ##",
        "44 234 56 ##",
        "pryklad.example",
        ("Пан", "Пані"),
    ),
    Culture(
        "Bulgaria",
        _names("Георги=georgi Мария=maria Щерьо=shteryo Йорданка=yordanka Божидар=bozhidar"),
        _names("Иванов=ivanov Димитрова=dimitrova Стоянов=stoyanov Хаджиев=hadzhiev"),
        (("София", "", "10##"), ("Пловдив", "", "40##")),
        "бул. Витоша {n}",
        "+359",
        "0",
        "88 812 34##",
        "2 987 6###",
        "primer.example",
        ("Г-н", "Г-жа"),
    ),
    Culture(
        "Greece",
        _names("Γιώργος=giorgos Ελένη=eleni Νίκος=nikos Άννα=anna Χρήστος=christos Ζωή=zoi"),
        _names("Παπαδόπουλος=papadopoulos Οικονόμου=oikonomou Βασιλείου=vasileiou Ψαρράς=psarras"),
        (("Αθήνα", "Αττική", "105 ##"), ("Θεσσαλονίκη", "", "546 ##")),
        "Οδός Ερμού {n}",
        "+30",
        "",
        "694 123 45##",
        "21 0324 5###",
        "paradeigma.example",
        ("Κος", "Κα"),
    ),
    Culture(
        "Egypt",
        _names("محمد=mohamed فاطمة=fatma عبد_الرحمن=abdelrahman نور=nour يوسف=youssef ليلى=layla"),
        _names("الهاشمي=alhashimi حسن=hassan المصري=elmasry عبد_الله=abdallah إبراهيم=ibrahim"),
        (("القاهرة", "", "115##"), ("الإسكندرية", "", "215##")),
        "شارع التحرير {n}",
        "+20",
        "0",
        "100 123 45##",
        "2 2794 5###",
        "mithal.example",
        ("السيد", "السيدة"),
    ),
    Culture(
        "Israel",
        _names("דוד=david שרה=sarah נועם=noam יעל=yael אברהם=avraham"),
        _names("כהן=cohen לוי=levi בן-דוד=ben-david מזרחי=mizrahi"),
        (("תל אביב", "", "610####"), ("ירושלים", "", "910####")),
        "רחוב הרצל {n}",
        "+972",
        "0",
        "52 123 45##",
        "3 612 34##",
        "dugma.example",
        ("מר", "גב'"),
    ),
    Culture(
        "India",
        _names("राजेश=rajesh प्रिया=priya अमित=amit सुनीता=sunita कृष्ण=krishna Aishwarya"),
        _names("शर्मा=sharma सिंह=singh गुप्ता=gupta त्रिपाठी=tripathi Patel Subramaniam"),
        (("नई दिल्ली", "दिल्ली", "1100##"), ("मुंबई", "महाराष्ट्र", "4000##")),
        "महात्मा गांधी मार्ग {n}",
        "+91",
        "0",
        "98765 43###",
        "11 2345 6###",
        "udaharan.example",
        ("श्री", "श्रीमती", "Dr."),
    ),
    Culture(
        "China",
        _names("伟=wei 秀英=xiuying 娜=na 国强=guoqiang 丽=li 小明=xiaoming"),
        _names("王=wang 李=li 欧阳=ouyang 张=zhang 刘=liu 司马=sima"),
        (("北京市", "", "1000##"), ("上海市", "", "2000##")),
        "长安街{n}号",
        "+86",
        "0",
        "138 0013 8###",
        "10 6512 3###",
        "lizi.example",
        ("先生", "女士"),
        family_first=True,
    ),
    Culture(
        "Japan",
        _names("花子=hanako 太郎=taro 美咲=misaki 健=ken ひろし=hiroshi さくら=sakura"),
        _names("山田=yamada 佐藤=sato 髙橋=takahashi 渡邊=watanabe 小林=kobayashi"),
        (("東京都千代田区", "", "100-00##"), ("大阪市北区", "大阪府", "530-00##")),
        "丸の内{n}丁目",
        "+81",
        "0",
        "90-1234-5###",
        "3-3234-5###",
        "rei.example",
        ("様",),
        family_first=True,
    ),
    Culture(
        "South Korea",
        _names("민준=minjun 서연=seoyeon 지훈=jihoon 하은=haeun"),
        _names("김=kim 이=lee 박=park 제갈=jegal"),
        (("서울특별시", "", "045##"), ("부산광역시", "", "487##")),
        "세종대로 {n}",
        "+82",
        "0",
        "10-1234-5###",
        "2-312-5###",
        "yeje.example",
        (),
        family_first=True,
    ),
    Culture(
        "Thailand",
        _names("สมชาย=somchai สุดา=suda กิตติ=kitti พรทิพย์=pornthip"),
        _names("ใจดี=jaidee ศรีสุข=srisuk ทองคำ=thongkham"),
        (("กรุงเทพมหานคร", "", "101##"), ("เชียงใหม่", "", "502##")),
        "ถนนสุขุมวิท {n}",
        "+66",
        "0",
        "81 234 5###",
        "2 123 4###",
        "tuayang.example",
        ("คุณ",),
    ),
)  # fmt: skip  one country reads best in few long lines

COMPANIES: Final = (
    "Acme",
    "Globex",
    "Müller & Söhne GmbH",
    "Société Générale d'Exemple",
    "Ωμέγα ΑΕ",
    "ООО «Пример»",
    "株式会社サンプル",
    "Smith, Jones & Partners LLP",
    "A",
    "3M-like Industries",
    "Café Zoë",
    "Łódź Logistics sp. z o.o.",
    "شركة المثال",
    "Initech",
    "Umbrella Health",
    "O'Reilly's Garage",
    "e-corp",
    "Northwind Traders",
    "Contoso Ltd.",
    "Fabrikam, Inc.",
)  # fmt: skip  a list of names
TITLES: Final = (
    "Sales Manager",
    "CEO",
    "Geschäftsführerin",
    "Directeur général",
    "VP, R&D",
    "Software Engineer",
    "Менеджер",
    "課長",
    'Head of "Special" Projects',
    "Purchasing",
    "Office Manager (part-time)",
    "Dr. h.c.",
    "Intern",
)  # fmt: skip  a list of titles
DEPARTMENTS: Final = ("Sales", "R&D", "Einkauf", "Finance / Controlling", "IT", "Ressources humaines", "営業部", "HR")
NOTES: Final = (
    "Met at the fair.",
    "Calls back on Mondays.\nPrefers e-mail.\n\n-- imported 2019",
    "• first point\n• second point\n\tindented",
    "Birthday cake: no nuts! 🎂",
    "Line one\r\nline two\r\n",
    "“Curly quotes” – and an em dash — and a trailing space ",
    "https://example.com/a?b=c&d=e <not a tag> & more",
    "مرحبا\nשלום\n你好",
)
EMOJI_NAMES: Final = ("Sam 🚀", "👩‍👩‍👧 Family", "Café ☕ Anna", "✨", "🇫🇷 Marie")
ODD_NAMES: Final = (
    ("ANNA", "SMITH"),
    ("anna", "smith"),
    ("  Leading", "Space "),
    ("J. R. R.", "Tolkien-Fan"),
    ("X Æ A-12", "Mask"),
    ("Null", "Null"),
    ("Test", "<b>Bold</b>"),
    ("Robert'); DROP TABLE contacts;--", "Tables"),
    ("Zoe\u0308", "Decomposed"),
    ("Jean\u00a0Paul", "No\u2011Break"),
    ("A", "B"),
    ("Wolfeschlegelsteinhausenbergerdorff"[:38], "Long" * 18),
)  # fmt: skip  a list of names
SHARED_LOCALS: Final = ("info", "office", "sales", "contact", "kontakt")
