# ruff: noqa: S608  the queries go to a simulator that has no database
"""COQL: what is found, in which order, at what price, and what is refused."""

from __future__ import annotations

import pytest

from simulators.zoho.coql import credits_of
from tests.unit.simulators.zoho.crm import Crm, leaf


@pytest.fixture
async def people(crm: Crm) -> Crm:
    """Three contacts, the third a second younger than the others."""
    await crm.records(
        {"Last_Name": "Ada", "Email": "ada@example.com", "Account_Name": "Acme", "Date_of_Birth": "1990-01-01"},
        {"Last_Name": "Bob", "Email": "bob@example.com", "Email_Opt_Out": True},
    )
    crm.wait(1)
    await crm.records({"Last_Name": "Cid's", "Secondary_Email": "ADA@example.com"})
    return crm


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("id is not null", ["Ada", "Bob", "Cid's"]),
        ("Email is null", ["Cid's"]),
        ("Email = 'ADA@example.com'", ["Ada"]),
        ("Email in ('ada@example.com', 'bob@example.com')", ["Ada", "Bob"]),
        ("Email not in ('ada@example.com')", ["Bob", "Cid's"]),
        ("(Email = 'ada@example.com' or Secondary_Email = 'ada@example.com')", ["Ada", "Cid's"]),
        ("Last_Name like 'b%'", ["Bob"]),
        ("Last_Name like '%d%'", ["Ada", "Cid's"]),
        ("Last_Name not like '%d%'", ["Bob"]),
        ("Last_Name = 'Cid\\'s'", ["Cid's"]),
        ("Last_Name != 'Ada' and Email is not null", ["Bob"]),
        ("Last_Name > 'Ada'", ["Bob", "Cid's"]),
        ("Email_Opt_Out = true", ["Bob"]),
        ("Date_of_Birth between '1989-12-31' and '1990-01-01'", ["Ada"]),
        ("Modified_Time > '2026-03-01T10:00:00+00:00'", ["Cid's"]),
        ("Modified_Time >= '2026-03-01T15:30:00+05:30'", ["Ada", "Bob", "Cid's"]),
        ("Account_Name.Account_Name = 'acme'", ["Ada"]),
        ("Account_Name is null", ["Bob", "Cid's"]),
        ("((Last_Name = 'Ada' or Last_Name = 'Bob') and Email_Opt_Out = false)", ["Ada"]),
    ],
)
async def test_conditions_find(people: Crm, condition: str, names: list[str]) -> None:
    rows = await people.found(f"select Last_Name from Contacts where {condition}")
    assert [row["Last_Name"] for row in rows] == names


async def test_a_lookup_is_its_id_and_its_fields_come_under_a_dotted_key(people: Crm) -> None:
    (row,) = await people.found(
        "select id, Account_Name, Account_Name.Account_Name, Owner from Contacts where Last_Name = 'Ada'"
    )
    assert row["Account_Name.Account_Name"] == "Acme"
    assert set(row["Account_Name"]) == {"id"}
    assert row["Owner"] == {"id": people.owner}


async def test_rows_are_sorted_and_cut_as_asked(people: Crm) -> None:
    text = "select Last_Name from Contacts where id is not null order by Modified_Time desc, Last_Name desc limit "
    assert [row["Last_Name"] for row in await people.found(text + "1, 2")] == ["Bob", "Ada"]
    answer = (await people.query(text + "2")).json()
    assert answer["info"] == {"count": 2, "more_records": True}


async def test_keyset_reading_by_time_and_id_meets_every_record_once(crm: Crm) -> None:
    """Five hundred contacts of one second: the id decides within it."""
    made = await crm.records(*({"Last_Name": f"N{number}"} for number in range(500)))
    text = "select id from Contacts where {} order by Modified_Time asc, id asc limit 200"
    seen: list[str] = []
    condition = "id is not null"
    while (response := await crm.query(text.format(condition))).status_code == 200:
        seen.extend(row["id"] for row in response.json()["data"])
        second = "2026-03-01T10:00:00+00:00"
        condition = f"(Modified_Time > '{second}' or (Modified_Time = '{second}' and id > {seen[-1]}))"
    assert seen == made


async def test_a_view_narrows_the_query(people: Crm) -> None:
    view = await people.view(leaf("Email", "ends_with", "@example.com"))
    rows = await people.found(f"select Last_Name from Contacts#{view} where Last_Name != 'Ada'")
    assert [row["Last_Name"] for row in rows] == ["Bob"]
    await people.settings(coql_views=False)
    response = await people.query(f"select Last_Name from Contacts#{view} where id is not null")
    assert (response.status_code, response.json()["code"]) == (400, "SYNTAX_ERROR")


async def test_accounts_are_found_by_name(people: Crm) -> None:
    assert len(await people.found("select Account_Name from Accounts where Account_Name in ('ACME', 'x')")) == 1


async def test_nothing_found_is_204(people: Crm) -> None:
    response = await people.query("select id from Contacts where Last_Name = 'Nobody'")
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("select id from Contacts", "SYNTAX_ERROR"),
        ("select id Contacts where id is not null", "SYNTAX_ERROR"),
        ("select id from Contacts where Email = 'a", "SYNTAX_ERROR"),
        ("select id from Contacts where Email = 'a' extra", "SYNTAX_ERROR"),
        ("select id from Contacts where Email = 'a' and Phone = 'b' or Fax = 'c'", "SYNTAX_ERROR"),
        ("select id from Contacts where Email = 'a' and Phone = 'b' and Fax = 'c'", "SYNTAX_ERROR"),
        ("select Nickname from Contacts where id is not null", "INVALID_QUERY"),
        ("select id from Contacts where Nickname = 'a'", "INVALID_QUERY"),
        ("select id from Contacts where Modified_Time > '2026-03-01T10:00:00.000+00:00'", "INVALID_QUERY"),
        ("select id from Contacts where Modified_Time like '2026%'", "INVALID_QUERY"),
        ("select id from Contacts where Email_Opt_Out > true", "INVALID_QUERY"),
        ("select id from Contacts where id is not null limit 2001", "LIMIT_EXCEEDED"),
        ("select id from Contacts where id is not null limit 99999, 2", "LIMIT_EXCEEDED"),
        ("select id from Vendors where id is not null", "INVALID_MODULE"),
    ],
)
async def test_wrong_queries_are_refused(people: Crm, text: str, code: str) -> None:
    response = await people.query(text)
    assert (response.status_code, response.json()["code"]) == (400, code)


async def test_lists_of_more_than_fifty_values_are_refused(crm: Crm) -> None:
    values = ", ".join(f"'{number}'" for number in range(51))
    response = await crm.query(f"select id from Contacts where Last_Name in ({values})")
    assert response.json()["code"] == "LIMIT_EXCEEDED"


async def test_three_conditions_in_a_row_pass_when_pairs_are_not_wanted(crm: Crm) -> None:
    await crm.settings(coql_pairs=False)
    response = await crm.query("select id from Contacts where Email = 'a' and Phone = 'b' and Fax = 'c'")
    assert response.status_code == 204


@pytest.mark.parametrize(
    ("limit", "price"),
    [("", 1), ("limit 200", 1), ("limit 201", 2), ("limit 0, 1000", 2), ("LIMIT 5000, 1001", 3), ("limit 2000", 3)],
)
def test_a_query_costs_by_the_rows_it_asks_for(limit: str, price: int) -> None:
    assert credits_of({}, {"select_query": f"select id from Contacts where id is not null {limit}"}) == price
