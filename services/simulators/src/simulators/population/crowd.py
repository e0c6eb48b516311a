"""Many realistic people, the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

from simulators.population.cultures import (
    COMPANIES,
    CULTURES,
    DEPARTMENTS,
    EMOJI_NAMES,
    NOTES,
    ODD_NAMES,
    SHARED_LOCALS,
    TITLES,
    Culture,
)
from simulators.population.person import Address, Person

_SCHEDULE: Final = {
    "ordinary": 72,
    "no_email": 6,
    "duplicate": 4,
    "shared_email": 3,
    "odd": 4,
    "emoji": 2,
    "no_name": 2,
    "company_only": 2,
    "phone_only": 2,
    "leap_day": 1,
    "family_only": 1,
    "empty": 1,
}
"""How many of every hundred people are of which kind."""
_WITHOUT_OWN_EMAIL: Final = frozenset({"no_email", "duplicate", "shared_email", "company_only", "phone_only", "empty"})
_RARELY: Final = 0.05
_SOMETIMES: Final = 0.2
_OFTEN: Final = 0.5
_MOSTLY: Final = 0.8


def people(n: int, *, seed: int, unique_emails: bool = False) -> list[Person]:
    """`n` people; the first of them stay the same when more are asked for.

    Of every hundred, each kind has its share: ordinary ones of many countries and scripts, people without e-mail
    or name, companies, shared addresses, duplicates of earlier people, odd spellings, entirely empty ones. With
    `unique_emails` each has at least one e-mail, and no two share one.
    """
    crowd = _Crowd(Random(seed), unique_emails=unique_emails)
    return [crowd.next() for _ in range(n)]


class _Crowd:
    """Makes one person after the other and remembers the addresses given out."""

    def __init__(self, random: Random, *, unique_emails: bool) -> None:
        self._random = random
        self._unique = unique_emails
        self._taken: dict[tuple[str, str], int] = {}
        self._made: list[Person] = []
        self._kinds: list[str] = []

    def next(self) -> Person:
        """One more."""
        if not self._kinds:
            self._kinds = [kind for kind, share in _SCHEDULE.items() for _ in range(share)]
            self._random.shuffle(self._kinds)
        kind = self._kinds.pop()
        if self._unique and kind in _WITHOUT_OWN_EMAIL:
            kind = "ordinary"
        person = self._of_kind(kind)
        self._made.append(person)
        return person

    def _of_kind(self, kind: str) -> Person:
        culture = self._random.choice(CULTURES)
        person = self._ordinary(culture)
        variants: dict[str, Callable[[], Person]] = {
            "ordinary": lambda: person,
            "no_email": lambda: replace(person, emails=()),
            "duplicate": lambda: self._duplicate(person),
            "shared_email": lambda: replace(person, emails=(("work", self._shared(person)),)),
            "odd": lambda: self._odd(person),
            "emoji": lambda: replace(person, given=self._random.choice(EMOJI_NAMES), family="", prefix=""),
            "no_name": lambda: replace(person, given="", family="", prefix=""),
            "company_only": lambda: Person(company=self._company(), phones=person.phones[:1]),
            "phone_only": lambda: Person(phones=(("mobile", self._phone(culture, culture.mobile)),)),
            "leap_day": lambda: replace(person, birthday=(self._random.choice((None, 1988, 2000)), 2, 29)),
            "family_only": lambda: replace(person, given="", prefix=""),
            "empty": Person,
        }
        return variants[kind]()

    def _ordinary(self, culture: Culture) -> Person:
        (given, given_latin), (family, family_latin) = (
            self._random.choice(culture.given),
            self._random.choice(culture.family),
        )
        company = self._company() if self._chance(_MOSTLY) else ""
        return Person(
            given=given,
            family=family,
            prefix=self._random.choice(culture.prefixes) if culture.prefixes and self._chance(_SOMETIMES) else "",
            nickname=given[:3] if self._chance(_RARELY) else "",
            company=company,
            title=self._random.choice(TITLES) if company and self._chance(_OFTEN) else "",
            department=self._random.choice(DEPARTMENTS) if company and self._chance(_SOMETIMES) else "",
            emails=self._emails(given_latin, family_latin, culture),
            phones=self._phones(culture),
            addresses=self._addresses(culture),
            birthday=self._birthday() if self._chance(_SOMETIMES) else None,
            notes=self._random.choice(NOTES) if self._chance(_SOMETIMES) else "",
            assistant=self._random.choice(culture.given)[0] if self._chance(_RARELY) else "",
            messengers=(("skype", f"live:{given_latin}.{family_latin}"),) if self._chance(_RARELY) else (),
            websites=(f"https://www.{culture.domain}/{given_latin}",) if self._chance(_RARELY) else (),
            custom=(("Customer number", f"K-{self._random.randrange(10**6):06d}"),) if self._chance(_RARELY) else (),
        )

    def _emails(self, given: str, family: str, culture: Culture) -> tuple[tuple[str, str], ...]:
        found = [("work", self._email(f"{given}.{family}", culture.domain))]
        if self._chance(_SOMETIMES):
            found.append(("home", self._email(f"{given[:1]}{family}", "mail.example")))
        if self._chance(_RARELY):
            found.append(("other", self._email(f"{family}+lists", "mail.example")))
        return tuple(found)

    def _email(self, local: str, domain: str) -> str:
        """An address that nobody got before; now and then with capitals, which mean nothing."""
        number = self._taken.get((local, domain), 0) + 1
        self._taken[local, domain] = number
        # A digit ends no local part of the name lists, so a number behind one makes it another for good.
        address = f"{local}{number if number > 1 else ''}@{domain}"
        return address.title() if self._chance(_RARELY) else address

    def _phones(self, culture: Culture) -> tuple[tuple[str, str], ...]:
        found: list[tuple[str, str]] = []
        if self._chance(_MOSTLY):
            found.append(("mobile", self._phone(culture, culture.mobile)))
        if self._chance(_OFTEN):
            extension = f" x{self._random.randrange(10, 999)}" if self._chance(_SOMETIMES) else ""
            found.append(("work", self._phone(culture, culture.landline) + extension))
        if self._chance(_RARELY):
            found.append(("home", self._phone(culture, culture.landline)))
        if self._chance(_RARELY):
            found.append(("workFax", self._phone(culture, culture.landline)))
        if self._chance(_RARELY):
            found.append(("other", self._phone(culture, culture.mobile)))
        return tuple(found)

    def _phone(self, culture: Culture, pattern: str) -> str:
        """National with its trunk prefix, international with blanks, or international without any."""
        number = self._digits(pattern)
        style = self._random.randrange(3)
        if style == 0:
            return f"{culture.trunk}{number}"
        spaced = f"{culture.dial} {number}"
        return spaced if style == 1 else culture.dial + "".join(one for one in number if one.isdigit())

    def _addresses(self, culture: Culture) -> tuple[Address, ...]:
        found: list[Address] = []
        if self._chance(_OFTEN):
            found.append(self._address("work", culture))
        if self._chance(_RARELY):
            found.append(self._address("home", culture))
        return tuple(found)

    def _address(self, kind: str, culture: Culture) -> Address:
        city, region, postal_code = self._random.choice(culture.cities)
        street = culture.street.format(n=self._random.randrange(1, 200))
        if self._chance(_SOMETIMES):
            street += "\n2nd floor"
        place = "work" if kind == "work" else "home"
        country = culture.country if self._chance(_MOSTLY) else ""
        return Address("work" if place == "work" else "home", street, city, region, self._digits(postal_code), country)

    def _birthday(self) -> tuple[int | None, int, int]:
        year = self._random.randrange(1930, 2012) if self._chance(_MOSTLY) else None
        return year, self._random.randrange(1, 13), self._random.randrange(1, 29)

    def _company(self) -> str:
        name = self._random.choice(COMPANIES)
        return f"{name} {self._random.randrange(2, 60)}" if self._chance(_OFTEN) else name

    def _shared(self, person: Person) -> str:
        domain = person.emails[0][1].lower().partition("@")[2]
        return f"{self._random.choice(SHARED_LOCALS)}@{domain}"

    def _duplicate(self, person: Person) -> Person:
        """An earlier person once more, some with another telephone."""
        if not self._made:
            return person
        twin = self._random.choice(self._made)
        return replace(twin, phones=person.phones) if self._chance(_OFTEN) else twin

    def _odd(self, person: Person) -> Person:
        given, family = self._random.choice(ODD_NAMES)
        return replace(person, given=given, family=family)

    def _digits(self, pattern: str) -> str:
        return "".join(str(self._random.randrange(10)) if one == "#" else one for one in pattern)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share
