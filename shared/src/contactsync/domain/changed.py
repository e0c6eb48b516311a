"""What of a side shows something else than was agreed, in the fields of a mapping."""

from __future__ import annotations

from contactsync.domain.link import LinkSide
from contactsync.domain.mapping import Mapping


def is_edited(side: LinkSide, mapping: Mapping) -> bool:
    """Whether a mapped field shows something that was not agreed on."""
    if side.seen == side.base:
        return False
    base, seen = side.base.index, side.seen.index
    return any(seen.get(row.hash) != base.get(row.hash) for row in mapping.rows)


def edited_since_base(side: LinkSide, mapping: Mapping) -> bool:
    """Whether a mapped field of which a base is known shows something else now."""
    base, seen = side.base.index, side.seen.index
    return any(row.hash in base and seen.get(row.hash) != base[row.hash] for row in mapping.rows)


def is_known_by_digests(side: LinkSide, mapping: Mapping) -> bool:
    """Whether a side stands as it was agreed, in every field of this mapping: then its values are not needed."""
    if not side.base or side.seen != side.base:
        return False
    seen = side.seen.index
    return all(row.hash in seen for row in mapping.rows)
