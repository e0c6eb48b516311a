"""Whether settings can work: every error by its field, in one answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from config_api.configurations.schemas import CatchUp, ConfigurationBody, MappingRowBody, Switch
from config_api.configurations.surroundings import Group
from config_api.web.fields import FieldError
from config_api.web.problems import ProblemError
from contactsync.domain.catalogue import CrmField
from contactsync.domain.contact import Side
from contactsync.domain.fit import fit
from contactsync.domain.ids import GroupId, ViewId
from contactsync.domain.mapping import (
    LAST_NAME,
    GooglePath,
    InvalidMappingError,
    MappingRow,
    default_mapping,
    google_kind,
    row_kind,
)
from contactsync.domain.mapping import Mapping as FieldMapping
from contactsync.domain.policy import Direction, Policy
from contactsync.ports.configurations import Chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What the connected accounts offer. What was not asked, for want of an account or a value, holds nobody up."""

    directions: frozenset[Direction] = frozenset(Direction)
    fields: Mapping[str, CrmField] | None = None
    view_is_known: bool = True
    group: Group | None = None
    group_is_known: bool = True


def missing_in(body: ConfigurationBody) -> list[FieldError]:
    """What a person has still to choose."""
    chosen = {"crm_view_id": body.crm_view_id, "google_group": body.google_group, "direction": body.direction}
    return [FieldError(name, "missing") for name, value in chosen.items() if value is None]


def errors_in(body: ConfigurationBody, offered: Offered) -> list[FieldError]:
    """All that is wrong with the values that were chosen."""
    return _errors(body, offered, scope_is_confirmed=False)[0]


def check(body: ConfigurationBody, offered: Offered, *, scope_is_confirmed: bool = False) -> FieldMapping | None:
    """The mapping, where the CRM's fields are known. Raises an `invalid_request` problem that lists what is wrong."""
    errors, mapping = _errors(body, offered, scope_is_confirmed=scope_is_confirmed)
    if errors:
        raise ProblemError("invalid_request", errors=errors)
    return mapping


def chosen_from(body: ConfigurationBody, offered: Offered, *, scope_is_confirmed: bool = False) -> Chosen:
    """The settings, fit to be stored. Raises an `invalid_request` problem that lists what is wrong or missing."""
    errors, mapping = _errors(body, offered, scope_is_confirmed=scope_is_confirmed)
    errors += missing_in(body)
    direction, view, group = body.direction, body.crm_view_id, body.google_group
    if errors or mapping is None or direction is None or view is None or group is None:
        raise ProblemError("invalid_request", errors=errors)
    return Chosen(
        name=body.name,
        view_id=ViewId(view),
        group_id=GroupId(group),
        policy=_policy(body, direction, mapping),
        frequency=body.frequency,
        catch_up=body.catch_up is CatchUp.NOW,
    )


def _errors(
    body: ConfigurationBody, offered: Offered, *, scope_is_confirmed: bool
) -> tuple[list[FieldError], FieldMapping | None]:
    errors = [*_scope_errors(body, offered, scope_is_confirmed=scope_is_confirmed or body.confirm_scope)]
    fields = offered.fields
    if fields is None:
        return errors, None
    mapping: FieldMapping | None = None
    try:
        mapping = _mapping(body, fields)
    except InvalidMappingError as error:
        errors += _mapping_errors(body, error, fields)
    errors += _value_errors(body, fields)
    if mapping is not None:
        errors += _required_errors(body, mapping, fields)
    return errors, mapping


def _policy(body: ConfigurationBody, direction: Direction, mapping: FieldMapping) -> Policy:
    return Policy(
        direction=direction,
        mapping=mapping,
        conflict_winner=body.conflict_winner,
        deletions=body.deletions,
        no_email=body.no_email,
        companies=body.companies,
        crm_values=dict(body.crm_values),
        crm_automation=body.crm_automation is Switch.ON,
    )


def _mapping(body: ConfigurationBody, fields: Mapping[str, CrmField]) -> FieldMapping:
    if body.mapping is None:
        return default_mapping(fields)
    rows = ({"crm_field": r.crm_field, "google_field": r.google_field, "direction": r.direction} for r in body.mapping)
    return FieldMapping.build(rows, fields)


def _scope_errors(body: ConfigurationBody, offered: Offered, *, scope_is_confirmed: bool) -> Iterator[FieldError]:
    writes = body.direction is not None and body.direction.writes(Side.CRM)
    if body.direction is not None and body.direction not in offered.directions:
        allowed = ", ".join(sorted(offered.directions))
        yield FieldError("direction", "direction_not_allowed", {"allowed": allowed})
    if not offered.view_is_known:
        yield FieldError("crm_view_id", "unknown_view")
    group = offered.group
    if not offered.group_is_known:
        yield FieldError("google_group", "unknown_group")
    elif group is not None and group.system and writes and not scope_is_confirmed:
        yield FieldError("confirm_scope", "scope_not_confirmed", {"members": group.members})


def _mapping_errors(
    body: ConfigurationBody, error: InvalidMappingError, fields: Mapping[str, CrmField]
) -> Iterator[FieldError]:
    for problem in error.problems:
        if problem.row is None:
            yield FieldError("mapping", problem.code)
        elif body.mapping is not None and problem.code == "invalid_row":
            yield from _row_errors(problem.row, body.mapping[problem.row], fields)
        else:
            part = "google_field" if problem.code == "google_field_twice" else "crm_field"
            yield FieldError(f"mapping.{problem.row}.{part}", problem.code)


def _row_errors(number: int, row: MappingRowBody, fields: Mapping[str, CrmField]) -> Iterator[FieldError]:
    """What keeps one row from being understood: its CRM field, its Google field, or the two together."""
    crm, google = fields.get(row.crm_field), None
    if crm is None:
        yield FieldError(f"mapping.{number}.crm_field", "unknown_crm_field")
    try:
        google = GooglePath.parse(row.google_field)
    except ValueError:
        yield FieldError(f"mapping.{number}.google_field", "unknown_google_field")
    if crm is not None and google is not None and row_kind(crm.kind, google_kind(google)) is None:
        yield FieldError(f"mapping.{number}", "kinds_differ", {"crm": crm.kind, "google": google_kind(google)})


def _value_errors(body: ConfigurationBody, fields: Mapping[str, CrmField]) -> Iterator[FieldError]:
    for name, value in body.crm_values.items():
        crm = fields.get(name)
        if crm is None:
            yield FieldError(f"crm_values.{name}", "unknown_crm_field")
        elif not crm.writable:
            yield FieldError(f"crm_values.{name}", "read_only")
        elif fit(_alone(crm), value, Side.CRM).reason is not None:
            yield FieldError(f"crm_values.{name}", "value_does_not_fit")


def _alone(crm: CrmField) -> MappingRow:
    """A row by which a value of this field can be tried, whatever it is mapped to: free text goes with every kind."""
    return MappingRow.of(crm, GooglePath("user_defined", "value"))


def _required_errors(
    body: ConfigurationBody, mapping: FieldMapping, fields: Mapping[str, CrmField]
) -> Iterator[FieldError]:
    """Fields without which the CRM refuses every record that the sync would create."""
    if body.direction is None or not body.direction.writes(Side.CRM):
        return
    for crm in fields.values():
        needed = crm.mandatory and crm.writable and crm.api_name != LAST_NAME
        if needed and crm.api_name not in body.crm_values and mapping.by_crm(crm.api_name) is None:
            yield FieldError(f"crm_values.{crm.api_name}", "crm_field_required")
