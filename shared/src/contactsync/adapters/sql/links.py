"""Links and claims in PostgreSQL, as one configuration sees them.

A page of links is written by two statements, for `links` and `link_scopes`, from arrays (`unnest`). The index of match
keys is touched only for pairs whose keys changed; what a page replaces is read once in a transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from contactsync.adapters.sql.codec import columns, key_digests, pack_keys
from contactsync.adapters.sql.database import Connection
from contactsync.adapters.sql.link_rows import LINK_COLUMNS, SCOPE_COLUMNS, SELECTED, STANDS_AS, LinkCodec
from contactsync.domain.contact import Side
from contactsync.domain.ids import ConfigId, LinkId, RunId
from contactsync.domain.link import Link, MatchKey
from contactsync.domain.outcome import Outcome
from contactsync.domain.sharing import Contender
from contactsync.errors import StateInvariantError
from contactsync.ports.clock import Clock
from contactsync.ports.state import Contested, PairCounts, PendingPosition, Run

_START: Final = PendingPosition(datetime(1, 1, 2, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC), LinkId(UUID(int=0)))


@dataclass(frozen=True, slots=True)
class _Stored:
    """What of a stored link decides which indexes a save must touch."""

    crm_id: str | None
    google_id: str | None
    google_presence: str
    crm_keys: bytes
    google_keys: bytes


_NOTHING: Final = _Stored(None, None, "unknown", b"", b"")


class SqlLinks:
    """`LinkStore` in one transaction of one run."""

    def __init__(self, connection: Connection, run: Run, codec: LinkCodec, clock: Clock) -> None:
        self._connection = connection
        self._run_id = run.run_id
        self._organisation = run.settings.organisation_id
        self._config = run.settings.config_id
        self._account = run.settings.account
        self._codec = codec
        self._clock = clock
        self._stored: dict[LinkId, _Stored] = {}
        self._shares: bool | None = None
        """Whether the account has another active configuration, once asked in this transaction."""

    # --- reading ---

    async def by_remote(self, side: Side, remote_ids: Sequence[str]) -> Mapping[str, Link]:
        """Links by the id of one side (also under names that a person had before)."""
        if not remote_ids:
            return {}
        links = await self._fetch(_LIVE[side], remote_ids)
        found = {link.side(side).remote_id or "": link for link in links}
        missing = [remote_id for remote_id in remote_ids if remote_id not in found]
        if missing and side is Side.GOOGLE:
            found |= await self._by_former_name(missing)
            missing = [remote_id for remote_id in missing if remote_id not in found]
        if missing:
            buried = await self._fetch(_BURIED[side], missing)
            found |= {link.side(side).remote_id or "": link for link in buried}
        return found

    async def _by_former_name(self, names: Sequence[str]) -> dict[str, Link]:
        aliases = await self._connection.fetch(_ALIASES, self._organisation, self._account, names)
        if not aliases:
            return {}
        links = await self.by_ids([row["link_id"] for row in aliases])
        return {row["google_id"]: links[row["link_id"]] for row in aliases if row["link_id"] in links}

    async def by_ids(self, link_ids: Sequence[LinkId]) -> Mapping[LinkId, Link]:
        """Links by id."""
        links = await self._fetch(_BY_ID, link_ids) if link_ids else []
        return {link.link_id: link for link in links}

    async def by_keys(
        self, side: Side, keys: Sequence[MatchKey], *, besides: Collection[LinkId] = ()
    ) -> Sequence[Link]:
        """Links whose given side has one of these keys, whatever its kind, of any state but `gone`."""
        digests = list({key.digest for key in keys})
        return await self._fetch(_BY_KEY, digests, side.value, list(besides)) if digests else []

    async def pending(self, run_id: RunId, after: PendingPosition | None, limit: int) -> Sequence[Link]:
        """Pairs with something to do that this run has not taken, in order, holds that are not due left out."""
        place = after or _START
        position = (place.pending_since, place.pending_order, place.link_id)
        return await self._fetch(_PENDING, run_id, self._clock.now(), *position, limit)

    async def let_go(self, reason: str, limit: int) -> int:
        """Take this reason's hold from so many pending pairs, the first in order."""
        status = await self._connection.execute(_LET_GO, self._organisation, self._config, reason, limit)
        return int(status.split()[-1])

    async def unseen(self, side: Side, listing: int, after: LinkId | None, limit: int) -> Sequence[Link]:
        """Pairs in scope on that side which the full listing with this number did not show, by id."""
        return await self._fetch(_UNSEEN[side], listing, after or UUID(int=0), limit)

    async def _fetch(self, statement: str, *arguments: object) -> list[Link]:
        rows = await self._connection.fetch(statement, self._organisation, self._config, self._account, *arguments)
        for row in rows:
            self._stored[row["link_id"]] = _stored(row)
        shares = any(self._is_anothers(row) for row in rows) and await self._shares_account()
        return [
            self._codec.link(tuple(row), run_id=self._run_id, foreign=shares and self._is_anothers(row)) for row in rows
        ]

    def _is_anothers(self, row: asyncpg.Record) -> bool:
        return row["kept_by"] is not None and row["kept_by"] != self._config and row["state"] in _KEPT

    async def _shares_account(self) -> bool:
        if self._shares is None:
            scope = (self._organisation, self._config, self._account)
            self._shares = bool(await self._connection.fetchval(_SHARES, *scope))
        return self._shares

    async def contested(self, after: LinkId | None, limit: int) -> Sequence[Contested]:
        """Pairs, by id, that this configuration has in scope on a side that exists and another one keeps so far."""
        scope = (self._organisation, self._config, self._account)
        rows = await self._connection.fetch(_CONTESTED, *scope, after or UUID(int=0), limit)
        if not rows:
            return []
        keepers = {LinkId(row["link_id"]): ConfigId(row["kept_by"]) for row in rows}
        contenders: dict[LinkId, list[Contender]] = {link_id: [] for link_id in keepers}
        for row in await self._connection.fetch(_CONTENDERS, self._organisation, self._account, list(keepers)):
            sides = frozenset(side for side in Side if row[f"{side}_in_scope"])
            contenders[row["link_id"]].append(
                Contender(config_id=ConfigId(row["config_id"]), since=row["created_at"], scope=sides)
            )
        links = await self.by_ids(list(keepers))
        return [Contested(links[i], before, contenders[i]) for i, before in keepers.items()]

    async def standing(self, run_id: RunId) -> Mapping[Outcome, int]:
        """Pairs of the configuration without a row in this run's report, by what they count as."""
        rows = await self._connection.fetch(_STANDING, self._organisation, self._config, self._account, run_id)
        return {Outcome(row["outcome"]): row["pairs"] for row in rows}

    async def any_alone(self, reason: str) -> bool:
        """Whether a contact in scope stands alone for this reason, and nothing is to be done about it."""
        scope = (self._organisation, self._config, self._account)
        found: bool = await self._connection.fetchval(_ANY_ALONE, *scope, reason)
        return found

    async def counts(self, now: datetime) -> PairCounts:
        """How many pairs stand where."""
        rows = await self._connection.fetch(_COUNTS, self._organisation, self._config, self._account, now)
        return PairCounts(
            by_state={row["state"]: row["pairs"] for row in rows},
            pending=sum(row["pending"] for row in rows),
            held=sum(row["held"] for row in rows),
            in_scope=sum(row["in_scope"] for row in rows),
            shown={side: sum(row[side.value] for row in rows) for side in Side},
        )

    async def to_seek(
        self, side: Side, run_id: RunId, after: PendingPosition | None, limit: int
    ) -> tuple[Sequence[Link], PendingPosition | None]:
        """Of the next `limit` pending pairs those that are to be sought on this side, and the place of the last one."""
        place = after or _START
        position = (place.pending_since, place.pending_order, place.link_id)
        scope = (self._organisation, self._config, self._account)
        rows = await self._connection.fetch(_TO_SEEK[side], *scope, run_id, self._clock.now(), *position, limit)
        if not rows:
            return [], None
        wanted = [LinkId(row["link_id"]) for row in rows if row["wanted"]]
        links = await self.by_ids(wanted)
        last = rows[-1]
        end = PendingPosition(last["pending_since"], last["pending_order"], LinkId(last["link_id"]))
        return [links[link_id] for link_id in wanted], end

    # --- writing ---

    async def save(self, links: Sequence[Link]) -> None:
        """Insert or replace these links with their scope in this configuration; of foreign ones the scope alone."""
        own = [link for link in links if not link.foreign]
        if own:
            await self._save_own(own)
        if len(own) < len(links):
            await self._note([link for link in links if link.foreign])
        if links:
            scopes = columns(self._codec.scope_row(link) for link in links)
            await self._connection.execute(_SAVE_SCOPES, self._organisation, self._config, *scopes)

    async def _note(self, links: Sequence[Link]) -> None:
        """Of pairs that others keep: when the person was written, and by what the contacts are found."""
        await self._read_stored([link.link_id for link in links if link.link_id not in self._stored])
        keys = [(pack_keys(link.crm.keys), pack_keys(link.google.keys)) for link in links]
        rows = [(link.link_id, link.google.written_at, *its) for link, its in zip(links, keys, strict=True)]
        await self._connection.execute(_NOTE, self._organisation, self._account, *columns(rows))
        fresh = [
            replace(self._stored[link.link_id], crm_keys=crm, google_keys=google)
            for link, (crm, google) in zip(links, keys, strict=True)
        ]
        await self._index_keys(links, fresh)
        self._stored.update({link.link_id: row for link, row in zip(links, fresh, strict=True)})

    async def _save_own(self, links: Sequence[Link]) -> None:
        await self._read_stored([link.link_id for link in links if link.link_id not in self._stored])
        rows = [self._codec.link_row(link, self._run_id, self._config) for link in links]
        fresh = [_stored(dict(zip(_NAMES, row, strict=True))) for row in rows]
        await self._free_changed_ids(links, fresh)
        now = self._clock.now()
        try:
            saved = await self._connection.fetchval(_SAVE_LINKS, self._organisation, self._account, now, *columns(rows))
        except asyncpg.UniqueViolationError as error:
            raise StateInvariantError("two pairs with one contact", details=_details(error)) from error
        if saved != len(links):
            raise StateInvariantError("the link belongs to somebody else")
        await self._index_keys(links, fresh)
        self._stored.update({link.link_id: row for link, row in zip(links, fresh, strict=True)})

    async def _read_stored(self, link_ids: Sequence[LinkId]) -> None:
        rows = await self._connection.fetch(_READ_STORED, self._organisation, link_ids) if link_ids else []
        self._stored.update(dict.fromkeys(link_ids, _NOTHING))
        self._stored.update({row["link_id"]: _stored(row) for row in rows})

    async def _free_changed_ids(self, links: Sequence[Link], fresh: Sequence[_Stored]) -> None:
        """Take contacts from the pairs that lose them, so that another pair of the same page may get them.

        A person who is present under another id was renamed, and the old name keeps leading here; one who was
        deleted in between was made anew.
        """
        changed: list[LinkId] = []
        renamed: list[tuple[str, LinkId]] = []
        for link, new in zip(links, fresh, strict=True):
            old = self._stored[link.link_id]
            moved = old.google_id is not None and old.google_id != new.google_id
            if moved or (old.crm_id is not None and old.crm_id != new.crm_id):
                changed.append(link.link_id)
            if moved and old.google_id and (old.google_presence, new.google_presence) == ("present", "present"):
                renamed.append((old.google_id, link.link_id))
        if changed:
            await self._connection.execute(_FREE_IDS, self._organisation, changed)
        if renamed:
            names, owners = zip(*renamed, strict=True)
            await self._connection.execute(_ADD_ALIASES, self._organisation, self._account, names, owners)

    async def _index_keys(self, links: Sequence[Link], fresh: Sequence[_Stored]) -> None:
        stale: list[tuple[bytes, str, LinkId]] = []
        added: list[tuple[bytes, str, LinkId]] = []
        for link, new in zip(links, fresh, strict=True):
            old = self._stored[link.link_id]
            for side, before, after in (
                ("crm", old.crm_keys, new.crm_keys),
                ("google", old.google_keys, new.google_keys),
            ):
                if before != after:
                    had, has = key_digests(before), key_digests(after)
                    stale += [(digest, side, link.link_id) for digest in had - has]
                    added += [(digest, side, link.link_id) for digest in has - had]
        if stale:
            await self._connection.execute(_DROP_KEYS, self._organisation, *columns(stale))
        if added:
            await self._connection.execute(_ADD_KEYS, self._organisation, *columns(added))

    async def remove(self, link_ids: Sequence[LinkId]) -> None:
        """Delete links that were absorbed by another or have nothing left on either side."""
        rows = await self._connection.fetch(_REMOVE, self._organisation, self._account, link_ids)
        removed = [row["link_id"] for row in rows]
        keys = [
            (digest, side, row["link_id"])
            for row in rows
            for side in ("crm", "google")
            for digest in key_digests(row[f"{side}_keys"])
        ]
        if keys:
            await self._connection.execute(_DROP_KEYS, self._organisation, *columns(keys))
        await self._connection.execute(_REMOVE_SCOPES, self._organisation, removed)
        await self._connection.execute(_REMOVE_ALIASES, self._organisation, self._account, removed)
        for link_id in removed:
            self._stored.pop(link_id, None)

    async def drop_values(self, run_id: RunId) -> None:
        """Erase the values that this run stored."""
        await self._connection.execute(_DROP_VALUES, self._organisation, self._account, run_id)

    # --- claims ---

    async def claim(self, digests: Mapping[LinkId, bytes], until: datetime) -> frozenset[LinkId]:
        """Links whose e-mail digest is now claimed for a create in this organisation; the others must wait."""
        wanted: dict[bytes, LinkId] = {}
        for link_id, digest in digests.items():
            wanted.setdefault(digest, link_id)
        # In one order by everybody: two who claim the same addresses would wait for one another in a circle.
        ordered = sorted(wanted)
        link_ids = [wanted[digest] for digest in ordered]
        rows = await self._connection.fetch(_CLAIM, self._organisation, ordered, link_ids, until, self._clock.now())
        return frozenset(row["link_id"] for row in rows)

    async def look_again_elsewhere(self, link_ids: Sequence[LinkId]) -> None:
        """Other configurations of the account look at these pairs again, whatever they held them for."""
        if link_ids:
            scope = (self._organisation, self._config, self._account)
            await self._connection.execute(_LOOK_AGAIN, *scope, link_ids, self._clock.now())


def _stored(row: Mapping[str, Any] | asyncpg.Record) -> _Stored:
    return _Stored(row["crm_id"], row["google_id"], row["google_presence"], row["crm_keys"], row["google_keys"])


def _details(error: asyncpg.UniqueViolationError) -> dict[str, object]:
    """The index alone: the message of the server names contacts."""
    return {"index": error.constraint_name}


# --- statements; $1 organisation, $2 configuration, $3 account unless said otherwise ----------------------------------

_NAMES: Final = tuple(name for name, _ in LINK_COLUMNS)


def _unnest(columns: Sequence[tuple[str, str]], first: int) -> str:
    """`unnest` of one array a column, as the table `t`."""
    arrays = ", ".join(f"${place}::{kind}[]" for place, (_, kind) in enumerate(columns, start=first))
    return f"unnest({arrays}) AS t({', '.join(name for name, _ in columns)})"


def _assignments(columns: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} = excluded.{name}" for name, _ in columns if name != "link_id")


# The names in these statements are our own columns; every value is a parameter.
#
# OFFSET 0 keeps a lateral subquery as it is written: one look into the index that names all of its columns. Left to
# itself the planner joins as statistics advise, and a database that was just made has none: it then compared each of
# a thousand links with each of ten thousand marks.
_WITH_SCOPE: Final = """
LEFT JOIN LATERAL (
    SELECT * FROM link_scopes WHERE organisation_id = $1 AND config_id = $2 AND link_id = l.link_id OFFSET 0
) s ON true"""


def _read(wanted: str, condition: str, end: str = "") -> str:
    """Links found one by one for the rows of `wanted`, with their marks."""
    return f"""
SELECT {SELECTED} FROM {wanted} AS w
CROSS JOIN LATERAL (
    SELECT * FROM links WHERE organisation_id = $1 AND {condition} AND account_key = $3 OFFSET 0
) l {_WITH_SCOPE} {end}"""  # noqa: S608


def _scoped(condition: str, link_condition: str, order: str) -> str:
    """Marks of the configuration in the order of an index, with their links."""
    return f"""
SELECT {SELECTED} FROM link_scopes s
CROSS JOIN LATERAL (
    SELECT * FROM links WHERE organisation_id = $1 AND link_id = s.link_id AND account_key = $3 OFFSET 0
) l
WHERE s.organisation_id = $1 AND s.config_id = $2 AND {condition} AND {link_condition} ORDER BY {order}"""  # noqa: S608


_LIVE: Final = {side: _read("unnest($4::text[])", f"{side}_id = w AND state <> 'gone'") for side in Side}
_BURIED: Final = {
    side: _read("unnest($4::text[])", f"{side}_id = w AND state = 'gone'", "ORDER BY l.touched_at") for side in Side
}
_BY_ID: Final = _read("unnest($4::uuid[])", "link_id = w")
_BY_KEY: Final = _read(
    """(
    SELECT DISTINCT k.link_id FROM unnest($4::bytea[]) AS d CROSS JOIN LATERAL (
        SELECT link_id FROM link_keys WHERE organisation_id = $1 AND digest = d AND side = $5 OFFSET 0
    ) k WHERE k.link_id <> ALL($6::uuid[])
)""",
    "link_id = w.link_id AND state <> 'gone'",
    "ORDER BY l.link_id",
)
_PENDING: Final = _scoped(
    "s.pending_since IS NOT NULL AND s.taken_by IS DISTINCT FROM $4::uuid "
    "AND (s.pending_since, s.pending_order, s.link_id) > ($6, $7, $8)",
    "(s.held_until IS NULL OR s.held_until <= $5)",
    "s.pending_since, s.pending_order, s.link_id LIMIT $9",
)
_LET_GO: Final = """
UPDATE link_scopes SET hold = NULL, hold_message = NULL, held_until = NULL
WHERE organisation_id = $1 AND config_id = $2 AND link_id IN (
    SELECT link_id FROM link_scopes
    WHERE organisation_id = $1 AND config_id = $2 AND pending_since IS NOT NULL AND hold ->> 'reason' = $3
    ORDER BY pending_since, pending_order, link_id LIMIT $4
)
"""
_UNSEEN: Final = {
    side: _scoped(
        f"{'true' if side is Side.GOOGLE else 's.crm_in_scope'} AND s.{side}_listing <> $4 AND s.link_id > $5",
        f"l.state <> 'gone' AND l.{side}_presence = 'present'",
        "s.link_id LIMIT $6",
    )
    for side in Side
}
_PAIRS: Final = """
FROM link_scopes s
CROSS JOIN LATERAL (
    SELECT * FROM links WHERE organisation_id = $1 AND link_id = s.link_id AND account_key = $3 OFFSET 0
) l"""
_DUE: Final = "s.pending_since IS NOT NULL AND (s.held_until IS NULL OR s.held_until <= $4)"


def _alone(link: str, side: Side) -> str:
    """Whether the contact on this side has, and never had, a counterpart."""
    return (
        f"{link}.state = 'single' AND {link}.{side}_presence = 'present' AND {link}.{side.other}_presence = 'unknown'"
    )


def _bereaved(table: str, side: Side) -> str:
    """Whether the contact of that side of a linked pair was deleted, and the other one is there."""
    gone = f"{table}.{side}_presence IN ('deleted', 'absent') AND {table}.{side.other}_presence = 'present'"
    return f"({table}.state = 'linked' AND {gone})"


_COUNTS: Final = f"""
SELECT CASE WHEN s.dormant AND l.state = 'linked' THEN 'dormant' ELSE l.state END AS state,
       count(*) AS pairs,
       count(*) FILTER (WHERE {_DUE}) AS pending,
       count(*) FILTER (WHERE s.held_until > $4) AS held,
       count(*) FILTER (
           WHERE l.state = 'linked' AND NOT s.dormant AND (s.crm_in_scope OR s.google_in_scope)
       ) AS in_scope,
       count(*) FILTER (WHERE l.state <> 'gone' AND s.crm_in_scope AND l.crm_presence = 'present') AS crm,
       count(*) FILTER (WHERE l.state <> 'gone' AND s.google_in_scope AND l.google_presence = 'present') AS google
{_PAIRS} WHERE s.organisation_id = $1 AND s.config_id = $2
GROUP BY 1
"""
_STANDING: Final = f"""
SELECT {STANDS_AS} AS outcome, count(*) AS pairs
{_PAIRS} LEFT JOIN LATERAL (
    SELECT true AS reported FROM run_contacts
    WHERE organisation_id = $1 AND run_id = $4 AND link_id = s.link_id OFFSET 0
) r ON true
WHERE s.organisation_id = $1 AND s.config_id = $2 AND l.state <> 'gone' AND r.reported IS NULL
GROUP BY 1
"""  # noqa: S608  our own columns
_ANY_ALONE: Final = f"""
SELECT EXISTS (SELECT {_PAIRS}
WHERE s.organisation_id = $1 AND s.config_id = $2 AND l.state = 'single' AND l.reason = $4 AND NOT l.excluded
AND s.pending_since IS NULL AND s.hold IS NULL AND (s.crm_in_scope OR s.google_in_scope))
"""
# A packed key is 17 bytes: its kind, `p` for name and phone, and the digest.
_TO_SEEK: Final = {
    side: f"""
SELECT s.link_id, s.pending_since, s.pending_order,
    {_bereaved("l", side)} OR {_alone("l", side.other)} AND (l.keep_apart IS NOT NULL OR NOT EXISTS (
        SELECT FROM generate_series(0, octet_length(l.{side.other}_keys) / 17 - 1) AS i
        CROSS JOIN LATERAL (
            SELECT link_id FROM link_keys WHERE organisation_id = $1 AND side = '{side}'
            AND digest = substring(l.{side.other}_keys FROM i * 17 + 2 FOR 16) OFFSET 0
        ) k
        CROSS JOIN LATERAL (
            SELECT * FROM links WHERE organisation_id = $1 AND link_id = k.link_id AND account_key = $3 OFFSET 0
        ) f
        WHERE substring(l.{side.other}_keys FROM i * 17 + 1 FOR 1) <> 'p' AND {_alone("f", side)}
        AND f.keep_apart IS NULL
    )) AS wanted
{_PAIRS} WHERE s.organisation_id = $1 AND s.config_id = $2 AND s.pending_since IS NOT NULL
AND s.taken_by IS DISTINCT FROM $4::uuid AND (s.pending_since, s.pending_order, s.link_id) > ($6, $7, $8)
AND (s.held_until IS NULL OR s.held_until <= $5)
ORDER BY s.pending_since, s.pending_order, s.link_id LIMIT $9
"""  # noqa: S608  our own columns
    for side in Side
}
_KEPT: Final = frozenset({"linked", "released"})
"""Stored states of pairs that a configuration keeps."""
_SHARES: Final = """
SELECT EXISTS (
    SELECT FROM sync_configs WHERE organisation_id = $1 AND account_key = $3 AND config_id <> $2 AND status = 'active'
)
"""
# An account that never had another configuration is not looked through: the subquery is asked once, before anything.
_CONTESTED: Final = f"""
SELECT s.link_id, l.kept_by {_PAIRS}
WHERE s.organisation_id = $1 AND s.config_id = $2 AND s.link_id > $4
AND ({" OR ".join(f"s.{side}_in_scope AND l.{side}_presence = 'present'" for side in Side)})
AND l.state IN ('linked', 'released') AND l.kept_by <> $2
AND EXISTS (SELECT FROM sync_configs WHERE organisation_id = $1 AND account_key = $3 AND config_id <> $2)
ORDER BY s.link_id LIMIT $5
"""  # noqa: S608  our own columns
_CONTENDERS: Final = """
SELECT s.link_id, c.config_id, c.created_at, s.crm_in_scope, s.google_in_scope
FROM sync_configs c CROSS JOIN unnest($3::uuid[]) AS w CROSS JOIN LATERAL (
    SELECT * FROM link_scopes WHERE organisation_id = $1 AND config_id = c.config_id AND link_id = w OFFSET 0
) s
WHERE c.organisation_id = $1 AND c.account_key = $2 AND c.status = 'active'
"""
_NOTE: Final = """
UPDATE links l SET google_written_at = t.at, crm_keys = t.crm, google_keys = t.google
FROM unnest($3::uuid[], $4::timestamptz[], $5::bytea[], $6::bytea[]) AS t(link_id, at, crm, google)
WHERE l.organisation_id = $1 AND l.account_key = $2 AND l.link_id = t.link_id
AND (l.google_written_at, l.crm_keys, l.google_keys) IS DISTINCT FROM (t.at, t.crm, t.google)
"""
_ALIASES: Final = """
SELECT google_id, link_id FROM link_aliases
WHERE organisation_id = $1 AND account_key = $2 AND google_id = ANY($3::text[])
"""

_READ_STORED: Final = """
SELECT l.* FROM unnest($2::uuid[]) AS w CROSS JOIN LATERAL (
    SELECT link_id, crm_id, google_id, google_presence, crm_keys, google_keys FROM links
    WHERE organisation_id = $1 AND link_id = w OFFSET 0
) l
"""
_SAVE_LINKS: Final = f"""
WITH saved AS (
    INSERT INTO links AS l (organisation_id, account_key, touched_at, {", ".join(_NAMES)})
    SELECT $1, $2::bytea, $3::timestamptz, t.* FROM {_unnest(LINK_COLUMNS, 4)}
    ON CONFLICT (organisation_id, link_id) DO UPDATE SET touched_at = excluded.touched_at, {_assignments(LINK_COLUMNS)}
    WHERE l.account_key = excluded.account_key
    RETURNING 1
) SELECT count(*) FROM saved
"""  # noqa: S608  our own columns
_SAVE_SCOPES: Final = f"""
INSERT INTO link_scopes (organisation_id, config_id, {", ".join(name for name, _ in SCOPE_COLUMNS)})
SELECT $1, $2::uuid, t.* FROM {_unnest(SCOPE_COLUMNS, 3)}
ON CONFLICT (organisation_id, config_id, link_id) DO UPDATE SET {_assignments(SCOPE_COLUMNS)}
"""  # noqa: S608  our own columns
_FREE_IDS: Final = "UPDATE links SET crm_id = NULL, google_id = NULL WHERE organisation_id = $1 AND link_id = ANY($2)"
_ADD_ALIASES: Final = """
INSERT INTO link_aliases (organisation_id, account_key, google_id, link_id)
SELECT $1, $2, t.* FROM unnest($3::text[], $4::uuid[]) AS t
ON CONFLICT (organisation_id, account_key, google_id) DO UPDATE SET link_id = excluded.link_id
"""
_DROP_KEYS: Final = """
DELETE FROM link_keys k USING unnest($2::bytea[], $3::text[], $4::uuid[]) AS t(digest, side, link_id)
WHERE k.organisation_id = $1 AND k.digest = t.digest AND k.side = t.side AND k.link_id = t.link_id
"""
_ADD_KEYS: Final = """
INSERT INTO link_keys (organisation_id, digest, side, link_id)
SELECT $1, t.* FROM unnest($2::bytea[], $3::text[], $4::uuid[]) AS t ON CONFLICT DO NOTHING
"""
_REMOVE: Final = """
DELETE FROM links WHERE organisation_id = $1 AND account_key = $2 AND link_id = ANY($3::uuid[])
RETURNING link_id, crm_keys, google_keys
"""
_REMOVE_SCOPES: Final = """
DELETE FROM link_scopes WHERE organisation_id = $1
AND config_id IN (SELECT config_id FROM sync_configs WHERE organisation_id = $1) AND link_id = ANY($2::uuid[])
"""
_REMOVE_ALIASES: Final = """
DELETE FROM link_aliases WHERE organisation_id = $1 AND account_key = $2 AND link_id = ANY($3::uuid[])
"""
_DROP_VALUES: Final = """
UPDATE links SET crm_sealed = NULL, google_sealed = NULL, values_run = NULL
WHERE organisation_id = $1 AND account_key = $2 AND values_run = $3
"""

_LOOK_AGAIN: Final = """
UPDATE link_scopes SET hold = NULL, hold_message = NULL, held_until = NULL,
    pending_since = coalesce(pending_since, $5), pending_order = coalesce(pending_order, $5)
WHERE organisation_id = $1 AND link_id = ANY($4::uuid[]) AND config_id IN (
    SELECT config_id FROM sync_configs WHERE organisation_id = $1 AND account_key = $3 AND config_id <> $2
)
"""
_CLAIM: Final = """
INSERT INTO claims AS c (organisation_id, digest, link_id, until)
SELECT $1, t.digest, t.link_id, $4::timestamptz FROM unnest($2::bytea[], $3::uuid[]) AS t(digest, link_id)
ON CONFLICT (organisation_id, digest) DO UPDATE SET link_id = excluded.link_id, until = excluded.until
WHERE c.link_id = excluded.link_id OR c.until <= $5
RETURNING link_id
"""
