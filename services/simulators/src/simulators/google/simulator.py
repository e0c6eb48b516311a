"""The Google simulator: its accounts and everything they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, ClassVar, TypeVar

from starlette.responses import Response

from simulators.bench import Bench
from simulators.clock import SimClock, isoformat
from simulators.google.addressbook import AddressBook, Group, Owner
from simulators.google.authorization import Authorization
from simulators.google.errors import ApiError, Code, account_full, account_quota_used_up
from simulators.google.methods import METHODS
from simulators.google.quota import READ, Quotas, exhausted
from simulators.google.render import PROFILE_SOURCE, PersonView, group_json
from simulators.google.schema import READABLE, Json
from simulators.google.settings import GoogleSettings
from simulators.google.tokens import Listings, TokenMint
from simulators.google.visibility import Version

Item = TypeVar("Item")
_EVERYTHING = tuple(sorted(READABLE - {"photos"}))
_KEY_BYTES = 32


class GoogleSimulator:
    """Accounts, quotas, tokens and faults of one simulated Google."""

    def __init__(self, settings: GoogleSettings | None = None, clock: SimClock | None = None) -> None:
        settings = settings or GoogleSettings()
        self.bench = Bench(settings, GoogleAnswers(settings.project_number), clock)
        self.quotas = Quotas()
        self.authorization = Authorization(self.bench)
        self._start()

    def _start(self) -> None:
        self.mint = TokenMint(self.bench.rng.randbytes(_KEY_BYTES))
        self.books: dict[str, AddressBook] = {}
        self.listings: Listings[Version] = Listings(self.mint, "people-page")
        self.group_listings: Listings[Group] = Listings(self.mint, "groups-page")

    @property
    def settings(self) -> GoogleSettings:
        """The settings in force."""
        return self.bench.settings

    def add_account(self, owner: Owner) -> AddressBook:
        """Open an empty account. Raises ValueError when its id or address is taken."""
        if owner.sub in self.books or self.account(owner.email):
            raise ValueError(f"account {owner.sub} or its address exists already")
        self.books[owner.sub] = AddressBook(owner, self.bench)
        return self.books[owner.sub]

    def account(self, sub_or_email: str) -> AddressBook | None:
        """The account of that id or address."""
        found = self.books.get(sub_or_email)
        if found is not None:
            return found
        wanted = sub_or_email.casefold()
        return next((book for book in self.books.values() if book.owner.email.casefold() == wanted), None)

    @property
    def item_shuffle(self) -> Random | None:
        """The random that orders entries inside fields, where the setting asks for it."""
        return self.bench.rng if self.settings.shuffle_items else None

    def view(self, mask: tuple[str, ...], sources: tuple[str, ...]) -> PersonView:
        """How contacts are shown through that mask, from those sources."""
        shown = PROFILE_SOURCE in sources or self.settings.profile_unasked
        return PersonView(mask, sources, shuffle=self.item_shuffle, profile=self.settings.profile if shown else {})

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """The items of a batch answer, in another order where the setting asks for it."""
        if self.settings.shuffle_results:
            return self.bench.rng.sample(items, len(items))
        return list(items)

    def reset(self) -> None:
        """Drop accounts, grants, quotas, faults and log; settings and clock stay."""
        self._start()
        self.quotas.reset()
        self.authorization.reset()
        self.bench.faults.clear()
        self.bench.log.reset()

    def kept(self) -> object:
        """What outlives the process, as one graph of objects."""
        return self.mint, self.books, self.listings, self.group_listings, self.quotas, self.authorization

    def restore(self, kept: Any) -> None:  # noqa: ANN401  what `kept` gave
        """Go on with what another process kept, under the settings of this one."""
        self.mint, self.books, self.listings, self.group_listings, self.quotas, self.authorization = kept

    def state(self) -> dict[str, Any]:
        """Everything, true state and not what listings show."""
        return {
            "now": isoformat(self.bench.clock.now()),
            "quotas": self.quotas.as_json(),
            "grants": self.authorization.as_json(),
            "accounts": {sub: account_json(book) for sub, book in self.books.items()},
        }


def account_json(book: AddressBook) -> Json:
    """The true state of one account."""
    owner = book.owner
    return {
        "sub": owner.sub,
        "email": owner.email,
        "region": owner.region,
        "people": people_json(book.contacts.values()),
        "trash": people_json((version for _, version in book.trash.values())),
        "groups": [
            group_json(group, ("metadata", "groupType", "name", "memberCount", "clientData"))
            for group in book.groups.values()
            if not group.deleted
        ],
        "waiting_to_be_visible": book.view.waiting(),
    }


def people_json(versions: Iterable[Version]) -> list[Json]:
    """Contacts with all their fields."""
    shown = PersonView(_EVERYTHING, ("READ_SOURCE_TYPE_CONTACT",))
    return [shown.person(version, delta=True) for version in versions]


class GoogleAnswers:
    """How Google words the faults of a plan."""

    _BY_STATUS: ClassVar = {
        400: (Code.INVALID_ARGUMENT, "Request contains an invalid argument."),
        401: (Code.UNAUTHENTICATED, "Request had invalid authentication credentials."),
        403: (Code.PERMISSION_DENIED, "The caller does not have permission."),
        404: (Code.NOT_FOUND, "Requested entity was not found."),
        409: (Code.ALREADY_EXISTS, "Requested entity already exists."),
        429: (Code.RESOURCE_EXHAUSTED, "Resource has been exhausted (e.g. check quota)."),
        500: (Code.INTERNAL, "Internal error encountered."),
        503: (Code.UNAVAILABLE, "The service is currently unavailable."),
        504: (Code.DEADLINE_EXCEEDED, "The service did not answer in time."),
    }

    def __init__(self, project_number: str) -> None:
        self._project_number = project_number

    def error(self, operation: str, status: int) -> Response:
        """The envelope for `status`; 502 is HTML, as gateways send it."""
        del operation
        if status not in self._BY_STATUS:
            page = f"<!DOCTYPE html><html><title>Error {status}</title><p>The server encountered an error.</p></html>"
            return Response(page, status, media_type="text/html; charset=UTF-8")
        code, message = self._BY_STATUS[status]
        return ApiError(code, message, http=status).response()

    def rate_limited(self, operation: str, variant: str | None) -> Response:
        """429 of a kind: `minute` (default), `full_sync`, `account` (FBS), `overflow`; or `legacy`, a 403."""
        if variant == "legacy":
            text = "Rate Limit Exceeded"
            return ApiError(Code.PERMISSION_DENIED, text, reason="rateLimitExceeded").response(error_block=True)
        kinds = {
            "minute": exhausted(_scarcest(operation), self._project_number),
            "full_sync": exhausted("full_sync_requests", self._project_number),
            "account": account_quota_used_up(),
            "overflow": account_full(),
        }
        if (variant or "minute") not in kinds:
            raise ValueError(f"{variant} is none of {', '.join(kinds)}, legacy")
        return kinds[variant or "minute"].response()


def _scarcest(operation: str) -> str:
    """The metric of a call that runs out first; reads for anything that is no method of the API."""
    units = next((method.units for method in METHODS if method.operation == operation), READ)
    return "critical_write_requests" if "critical_write_requests" in units else next(iter(units))
