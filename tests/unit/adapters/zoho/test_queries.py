"""Questions in COQL: addresses, names, companies, membership of a view; and that no value can leave its quotes."""

from __future__ import annotations

import pytest

from contactsync.adapters.zoho import coql
from contactsync.adapters.zoho.coql import Query
from contactsync.domain.ids import RecordId, ViewId
from contactsync.errors import PermissionMissingError, ProviderContractError, RateLimitedError
from tests.unit.adapters.zoho.fakes import Crm, Reply, instant, page, problem, record, reply, success

VIEW = ViewId("4000000000000000007")
SINCE = instant("2026-03-01T09:00:00+00:00")


def rows(*ids: str, more: bool = False, **fields: object) -> Reply:
    found = [{"id": one, "Created_Time": "2026-01-01T00:00:00+00:00", **fields} for one in ids]
    return reply({"data": found, "info": {"count": len(found), "more_records": more}})


class TestQuoting:
    @pytest.mark.parametrize(
        ("text", "literal"),
        [
            ("ada@example.org", "'ada@example.org'"),
            ("O'Brien", "'O''Brien'"),
            ("x' or id is not null or Email = '", "'x'' or id is not null or Email = '''"),
            ("ends in \\", "'ends in \\\\'"),
            ("\\' or 'a' = 'a", "'\\\\'' or ''a'' = ''a'"),
            ('double " quotes', "'double \" quotes'"),
        ],
    )
    def test_a_value_cannot_end_its_literal(self, text: str, literal: str) -> None:
        assert coql.quoted(text) == literal

    def test_an_id_is_made_of_digits(self) -> None:
        for text in ("1 or 1=1", "", "１２", "#7", "-1"):
            with pytest.raises(ValueError, match="digits"):
                coql.checked_id(text)

    def test_what_no_field_can_hold_is_not_asked_for(self) -> None:
        assert [coql.askable(text) for text in ("", "  ", "a\x00b", "a\nb", "a\ud800", "名前", "a\u200db")] == [
            *[False] * 5,
            True,
            True,
        ]

    @pytest.mark.parametrize(("limit", "cost"), [(1, 1), (200, 1), (201, 2), (1000, 2), (1001, 3), (2000, 3)])
    def test_a_query_costs_by_its_limit(self, limit: int, cost: int) -> None:
        assert Query(("id",), "Contacts", "id is not null", rows=limit).credits == cost


class TestAddresses:
    async def test_both_fields_are_asked_fifty_addresses_at_a_time(self) -> None:
        crm = Crm(rows("1", Email="a1@x.org"), reply(status=204))
        found = await crm.contacts.find_addresses([f"a{n}@x.org" for n in range(70)])
        assert [(one.record_id, one.email) for one in found] == [("1", "a1@x.org")]
        assert crm.coql(0).count("@x.org'") == 100
        assert crm.coql(0).startswith(
            "select id, Email, First_Name, Last_Name, Created_Time, Secondary_Email from Contacts where (Email in ('a0"
        )
        assert crm.coql(0).endswith(" order by id asc limit 0, 200")
        assert crm.gate.credits == 2

    async def test_further_rows_are_fetched_and_a_record_comes_once(self) -> None:
        crm = Crm(rows("1", "2", more=True), rows("2", "3"))
        found = await crm.contacts.find_addresses(["a@x.org", "a@x.org", " a@x.org ", "bad\x00"])
        assert [one.record_id for one in found] == ["1", "2", "3"]
        assert crm.coql(0).count("'a@x.org'") == 2
        assert "limit 200, 200" in crm.coql(1)

    async def test_another_unknown_column_is_not_taken_for_the_secondary_address(self) -> None:
        crm = Crm(problem("INVALID_QUERY", column_name="Created_Time"))
        with pytest.raises(ProviderContractError):
            await crm.contacts.find_addresses(["a@x.org"])

    async def test_nothing_to_ask_asks_nothing(self) -> None:
        crm = Crm()
        assert await crm.contacts.find_addresses(["", "\x00"]) == []
        assert crm.gate.calls == []

    async def test_the_whole_module_is_read_by_ascending_id(self) -> None:
        first = rows("1", "2", more=True, First_Name="Ada", Last_Name="Byron", Email="a@x.org")
        crm = Crm(first, rows("3"))
        some, after = await crm.contacts.addresses_page(None)
        rest, end = await crm.contacts.addresses_page(after)
        assert [one.name for one in some] == ["Ada Byron"] * 2
        assert ([one.record_id for one in rest], after, end) == (["3"], "2", None)
        assert "where id is not null order by id asc limit 0, 2000" in crm.coql(0)
        assert "where id > '2' order by id asc limit 0, 2000" in crm.coql(1)
        assert crm.gate.credits == 6

    async def test_a_page_that_does_not_move_on_is_refused(self) -> None:
        crm = Crm(rows("2", more=True))
        with pytest.raises(ProviderContractError):
            await crm.contacts.addresses_page(RecordId("2"))


class TestLastNames:
    async def test_names_are_asked_by_fifty_and_the_records_read_whole(self) -> None:
        crm = Crm(rows("1"), rows("1", "2"), page([record("1"), record("2")]))
        found = await crm.contacts.find_last_names([f"Name {n}" for n in range(60)])
        assert [one.remote_id for one in found] == ["1", "2"]
        assert "Last_Name in ('Name 0', 'Name 1'" in crm.coql(0)
        assert crm.query()["ids"] == "1,2"


class TestMembership:
    async def test_the_view_is_asked_for_its_recent_members(self) -> None:
        crm = Crm(rows("1", "5", more=True), rows("7"))
        assert await crm.contacts.members_since(VIEW, SINCE) == frozenset(map(RecordId, "157"))
        start, view, rest = crm.coql(0).partition(VIEW)
        assert (start, view) == ("select id from Contacts#", VIEW)
        assert rest == " where Modified_Time >= '2026-03-01T09:00:00+00:00' order by id asc limit 0, 2000"
        assert "where (Modified_Time >= '2026-03-01T09:00:00+00:00' and id > '5') order by" in crm.coql(1)

    @pytest.mark.parametrize("code", ["SYNTAX_ERROR", "INVALID_QUERY", "INVALID_DATA"])
    async def test_a_crm_that_does_not_answer_it_gives_none(self, code: str) -> None:
        crm = Crm(problem(code))
        assert await crm.contacts.members_since(VIEW, SINCE) is None

    async def test_other_refusals_are_told(self) -> None:
        crm = Crm(problem("NO_PERMISSION", 403), problem("TOO_MANY_REQUESTS", 429))
        with pytest.raises(PermissionMissingError):
            await crm.contacts.members_since(VIEW, SINCE)
        with pytest.raises(RateLimitedError):
            await crm.contacts.members_since(VIEW, SINCE)

    async def test_no_rows_is_no_member(self) -> None:
        crm = Crm(reply(status=204))
        assert await crm.contacts.members_since(VIEW, SINCE) == frozenset()

    async def test_a_view_id_cannot_carry_a_query(self) -> None:
        crm = Crm()
        with pytest.raises(ValueError, match="digits"):
            await crm.contacts.members_since(ViewId("7 where id is not null"), SINCE)

    @pytest.mark.parametrize(
        ("answer", "exists"),
        [
            (reply({"custom_views": [{"id": VIEW}]}), True),
            (reply(status=204), False),
            (problem("INVALID_DATA"), False),
            (problem("RESOURCE_NOT_FOUND", 404), False),
        ],
    )
    async def test_whether_a_view_exists_is_a_control_call(self, answer: Reply, *, exists: bool) -> None:
        crm = Crm(answer)
        assert await crm.contacts.view_exists(VIEW) is exists
        assert crm.gate.calls[0].control

    async def test_an_answer_that_may_lack_rows_is_none(self) -> None:
        """Who is not in it would be made once more."""
        found = [{"id": "1", "Email": "a1@x.org", "Created_Time": "2026-01-01T00:00:00+00:00"}]
        crm = Crm(*[reply({"data": found, "info": {"count": 1}})] * 2)
        with pytest.raises(ProviderContractError):
            await crm.contacts.find_addresses(["a1@x.org", "a2@x.org"])
        with pytest.raises(ProviderContractError):
            await crm.contacts.members_since(VIEW, SINCE)


class TestCompanies:
    async def test_a_name_is_matched_whatever_its_case_and_space(self) -> None:
        found = [
            {"id": "20", "Account_Name": "ACME inc"},
            {"id": "3", "Account_Name": "Acme  Inc "},
            {"id": "4", "Account_Name": "Acme Incorporated"},
        ]
        crm = Crm(reply({"data": found, "info": {"more_records": False}}))
        assert await crm.contacts.companies(["Acme Inc", " acme  INC", "Acme", "O'Hara & Sons"]) == {
            "Acme Inc": "3",
            " acme  INC": "3",
        }
        assert "'O''Hara & Sons'" in crm.coql()
        assert "from Accounts where Account_Name in ('Acme Inc', 'acme INC', 'acme  INC', 'Acme'," in crm.coql()

    async def test_names_are_asked_by_fifty(self) -> None:
        crm = Crm(*[reply(status=204)] * 3)
        assert await crm.contacts.companies([f"Company {n}" for n in range(120)]) == {}
        assert len(crm.requests) == 3

    @pytest.mark.parametrize("refusal", [problem("NO_PERMISSION", 403), problem("INVALID_MODULE")])
    async def test_a_user_who_may_not_see_accounts_has_no_companies(self, refusal: Reply) -> None:
        crm = Crm(refusal)
        assert await crm.contacts.companies(["Acme"]) == {}

    async def test_one_account_is_made_for_each_name(self) -> None:
        names = [f"Company {n}" for n in range(101)]
        answers = [[success(str(n)) for n in range(100)], [success("100")]]
        crm = Crm(*[reply({"data": items}, 201) for items in answers])
        made = await crm.contacts.create_companies([*names, "COMPANY  1"])
        assert made == {name: str(n) for n, name in enumerate(names)} | {"COMPANY  1": "1"}
        assert crm.body(0)["data"][:2] == [{"Account_Name": "Company 0"}, {"Account_Name": "Company 1"}]
        assert (crm.body(0)["trigger"], len(crm.body(1)["data"])) == ([], 1)
        assert [call.units["credits"] for call in crm.gate.calls] == [10, 1]

    async def test_an_account_that_exists_by_now_is_taken_and_a_refused_name_is_absent(self) -> None:
        taken = {"code": "DUPLICATE_DATA", "status": "error", "message": "x", "details": {"id": "77"}}
        refused = {"code": "INVALID_DATA", "status": "error", "message": "x", "details": {"api_name": "Account_Name"}}
        crm = Crm(reply({"data": [taken, refused, success("5")]}, 207))
        assert await crm.contacts.create_companies(["A", "B", "C"]) == {"A": "77", "C": "5"}

    async def test_a_user_who_may_not_make_accounts_makes_none(self) -> None:
        crm = Crm(problem("NO_PERMISSION", 403))
        assert await crm.contacts.create_companies(["A"]) == {}
