"""Batches of records to write: what is sent for each, and what the answer means for each. No I/O.

A record of which the CRM cannot hold one field is sent once more without it, all such records of a batch in one
further call; values are never cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from contactsync.adapters.http import Answer
from contactsync.adapters.zoho.codec import RecordCodec
from contactsync.adapters.zoho.instants import parse_instant, revision_of
from contactsync.adapters.zoho.protocol import need_text, read_items
from contactsync.adapters.zoho.refusals import ItemProblem, call_error, is_stale_call, item_problem
from contactsync.domain.contact import Changes
from contactsync.domain.ids import LinkId, RecordId
from contactsync.domain.mapping import LAST_NAME
from contactsync.domain.reasons import Reason
from contactsync.errors import MappingError, RecordRejectedError
from contactsync.ports.directory import Refused, WriteOutcome, Written

_ALREADY_MODIFIED: Final = ItemProblem(
    code="ALREADY_MODIFIED",
    error=RecordRejectedError("changed since it was read", reason=Reason.REVISION_CONFLICT),
    stale=True,
)


@dataclass(frozen=True, slots=True)
class Draft:
    """One record as it will be sent; `record_id` None for a new one."""

    link_id: LinkId
    record_id: RecordId | None
    fields: Mapping[str, Any]
    left_out: Mapping[str, str]

    @property
    def payload(self) -> Mapping[str, Any]:
        """The object for `data[]`."""
        return self.fields if self.record_id is None else {"id": self.record_id, **self.fields}

    def corrected(self, expected: Mapping[str, str], codec: RecordCodec) -> Draft:
        """The same record, the named fields in the type that is expected of them or else left out."""
        fields, left_out = dict(self.fields), dict(self.left_out)
        for name, expected_type in expected.items():
            value = codec.learn(name, expected_type, fields.pop(name))
            if value is None:
                left_out[codec.key_of(name)] = Reason.VALUE_DOES_NOT_FIT
            else:
                fields[name] = value
        return replace(self, fields=fields, left_out=left_out)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the CRM says of a record that it wrote."""

    record_id: str
    modified_time: str


ItemResult = Confirmed | ItemProblem


def draft(
    codec: RecordCodec, link_id: LinkId, record_id: RecordId | None, changes: Changes, companies: Mapping[str, str]
) -> Draft:
    """The record to send for `changes`; a new record carries no empty fields."""
    encoded = codec.encode(changes, companies)
    fields = encoded.fields
    if record_id is None:
        fields = {name: value for name, value in fields.items() if value is not None}
    return Draft(link_id, record_id, fields, encoded.left_out)


def results_of(answer: Answer, drafts: Sequence[Draft]) -> Sequence[ItemResult]:
    """What became of each record of an insert or update, in order.

    Raises the error of a call that was refused as a whole, OutcomeUnknownError for an answer that leaves it open.
    """
    items = read_items(answer, len(drafts))
    if items is None:
        if is_stale_call(answer):
            return [_ALREADY_MODIFIED] * len(drafts)
        raise call_error(answer)
    return [_result(answer, item, one) for item, one in zip(items, drafts, strict=True)]


def _result(answer: Answer, item: Mapping[str, Any], sent: Draft) -> ItemResult:
    if item.get("status") != "success":
        return item_problem(item)
    details = _details(item)
    record_id = need_text(answer, details, "id")
    if sent.record_id is not None and record_id != sent.record_id:
        raise answer.unreadable("outcomes in another order than the records")
    return Confirmed(record_id, need_text(answer, details, "Modified_Time"))


def _details(item: Mapping[str, Any]) -> Mapping[str, Any]:
    details = item.get("details")
    return details if isinstance(details, dict) else {}


def second_attempt(sent: Draft, result: ItemResult, codec: RecordCodec) -> Draft | None:
    """The record without what the CRM could not hold; None when that would not help or leave nothing to say."""
    if not isinstance(result, ItemProblem):
        return None
    expected = {name: told for name, told in result.fields.items() if name in sent.fields}
    # Without its mandatory name a new record would only be refused for lacking it.
    if not expected or (sent.record_id is None and LAST_NAME in expected):
        return None
    retried = sent.corrected(expected, codec)
    return retried if retried.fields else None


def nothing_to_send(sent: Draft) -> Refused | None:
    """The outcome of a record of which every field was left out; None when something is to be sent."""
    if sent.fields:
        return None
    reason = next(iter(sent.left_out.values()), Reason.VALUE_DOES_NOT_FIT)
    error = MappingError("no value that the CRM can hold", reason=reason)
    return Refused(sent.link_id, error, left_out={} if sent.record_id is None else sent.left_out)


def outcome_of(answer: Answer, sent: Draft, result: ItemResult) -> WriteOutcome:
    """The port's outcome. Raises OutcomeUnknownError when the time of a written record cannot be read."""
    if isinstance(result, ItemProblem):
        return Refused(
            sent.link_id, result.error, gone=result.gone, stale=result.stale, duplicate_of=result.duplicate_of
        )
    try:
        modified_at = parse_instant(result.modified_time)
    except ValueError as error:
        raise answer.unreadable("Modified_Time is no instant") from error
    return Written(sent.link_id, result.record_id, revision_of(modified_at), modified_at, left_out=sent.left_out)


def unsettled(sent: Draft) -> Refused:
    """The outcome of an update that got no answer: whether it was applied shows when the record is read again."""
    error = RecordRejectedError("no answer to the second attempt", reason=Reason.OUTCOME_UNKNOWN)
    return Refused(sent.link_id, error, stale=True)


def delete_outcomes(answer: Answer, requests: Sequence[tuple[LinkId, RecordId]]) -> Sequence[WriteOutcome]:
    """What became of each record of a delete; one that was gone already counts as deleted.

    Raises as `results_of` does.
    """
    items = read_items(answer, len(requests))
    if items is None:
        raise call_error(answer)
    moment = answer.server_time or answer.received_at
    outcomes: list[WriteOutcome] = []
    for item, (link_id, record_id) in zip(items, requests, strict=True):
        if _details(item).get("id", record_id) != record_id:
            raise answer.unreadable("outcomes in another order than the records")
        if item.get("status") == "success" or item.get("code") == "INVALID_DATA":
            outcomes.append(Written(link_id, record_id, "", moment))
        else:
            outcomes.append(Refused(link_id, item_problem(item).error))
    return outcomes
