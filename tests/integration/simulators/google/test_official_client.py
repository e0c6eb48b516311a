"""google-api-python-client drives the simulator through every method that a contact sync uses.

Each answer is validated against the discovery document that the package carries (`harness.answer_validator`).
"""

from typing import Any

import pytest
from googleapiclient.errors import HttpError

from simulators.google.methods import METHODS, READONLY
from simulators.google.schema import READABLE
from simulators.population import people, to_google_person
from tests.integration.simulators.google.harness import Json, PeopleClient, Simulator, methods

MASK = "names,emailAddresses,phoneNumbers,memberships,metadata,clientData"
CONTACT = ["READ_SOURCE_TYPE_CONTACT"]


def person(number: int) -> Json:
    return {
        "names": [{"givenName": f"Ada {number}", "familyName": "Lovelace", "honorificPrefix": "Dr"}],
        "emailAddresses": [{"value": f"ada{number}@example.org", "type": "work"}],
        "phoneNumbers": [{"value": "06 12 34 56 78", "type": "mobile"}],
        "clientData": [{"key": "marker", "value": str(number)}],
        "birthdays": [{"date": {"month": 12, "day": 10}}],
        "organizations": [{"name": "Analytical Engines", "title": "Countess", "startDate": {"year": 1842}}],
        "addresses": [{"streetAddress": "12 St James's Square", "city": "London", "type": "home"}],
        "biographies": [{"value": "Notes\nof two lines"}],
        "genders": [{"value": "female"}],
        "imClients": [{"username": "ada", "protocol": "jabber"}],
        "nicknames": [{"value": "Enchantress", "type": "SHORT_NAME"}],
        "userDefined": [{"key": "Club", "value": "Royal"}],
        "urls": [{"value": "https://example.org", "type": "homePage"}],
        "relations": [{"person": "Charles", "type": "colleague"}],
        "events": [{"date": {"year": 1843, "month": 9, "day": 1}, "type": "anniversary"}],
    }


def list_all(client: PeopleClient, **parameters: Any) -> tuple[list[Json], str]:  # noqa: ANN401  untyped client
    """All pages of a listing, and its sync token."""
    request = (
        client.people()
        .connections()
        .list(resourceName="people/me", personFields=MASK, sources=CONTACT, requestSyncToken=True, **parameters)
    )
    people: list[Json] = []
    answer: Json = {}
    while request is not None:
        answer = request.execute()
        people += answer.get("connections", [])
        request = client.people().connections().list_next(request, answer)
    return people, answer["nextSyncToken"]


def create(client: PeopleClient, *people: Json, read: str = MASK) -> list[Json]:
    body = {"contacts": [{"contactPerson": each} for each in people], "readMask": read, "sources": CONTACT}
    answer = client.people().batchCreateContacts(body=body).execute()
    return [item["person"] for item in answer["createdPeople"]]


def refusal(request: Any) -> tuple[int, Json]:  # noqa: ANN401  untyped client
    """HTTP status and error of a request that must fail."""
    with pytest.raises(HttpError) as caught:
        request.execute()
    failure: Json = request.http.http.failures[-1]["error"]
    return caught.value.status_code, failure


def test_every_method_of_the_simulator_answers_as_the_discovery_document_says(
    google: Simulator, client: PeopleClient
) -> None:
    people, groups = client.people(), client.groups()
    group = groups.create(body={"contactGroup": {"name": "Customers"}}).execute()
    first, second = create(client, person(1), person(2))
    single = people.createContact(body=person(3), personFields=MASK).execute()
    everyone, token = list_all(client)
    assert {each["resourceName"] for each in everyone} == {each["resourceName"] for each in (first, second, single)}

    single["names"] = [{"givenName": "Augusta"}]
    updated = people.updateContact(
        resourceName=single["resourceName"], body=single, updatePersonFields="names", personFields="names,metadata"
    ).execute()
    assert updated["names"][0]["displayName"] == "Augusta"
    changes = {each["resourceName"]: {"etag": each["etag"], "nicknames": [{"value": "A"}]} for each in (first, second)}
    body = {"contacts": changes, "updateMask": "nicknames", "readMask": "nicknames,metadata", "sources": CONTACT}
    results = people.batchUpdateContacts(body=body).execute()["updateResult"]
    assert {item["person"]["nicknames"][0]["value"] for item in results.values()} == {"A"}

    members = groups.members()
    modified = {"resourceNamesToAdd": [first["resourceName"], "people/c404"]}
    answer = members.modify(resourceName=group["resourceName"], body=modified).execute()
    assert answer == {"notFoundResourceNames": ["people/c404"]}
    names = [first["resourceName"], "people/c404"]
    found = people.getBatchGet(resourceNames=names, personFields=MASK, sources=CONTACT).execute()["responses"]
    assert [item.get("status", {}).get("code") for item in found] == [None, 5]
    assert people.get(resourceName="people/me", personFields="names,emailAddresses,metadata").execute()
    assert people.searchContacts(query="", readMask="names").execute() == {}
    assert len(people.searchContacts(query="lovel", readMask="names").execute()["results"]) == 2

    group = groups.get(resourceName=group["resourceName"], maxMembers=10).execute()
    assert group["memberResourceNames"] == [first["resourceName"]]
    group["name"] = "Clients"
    groups.update(resourceName=group["resourceName"], body={"contactGroup": group}).execute()
    both = [group["resourceName"], "contactGroups/none"]
    assert len(groups.batchGet(resourceNames=both, maxMembers=1).execute()["responses"]) == 2
    assert "Clients" in {each["name"] for each in groups.list(pageSize=1000).execute()["contactGroups"]}
    groups.delete(resourceName=group["resourceName"], deleteContacts=False).execute()

    people.deleteContact(resourceName=single["resourceName"]).execute()
    people.batchDeleteContacts(body={"resourceNames": [second["resourceName"]]}).execute()
    delta, _ = list_all(client, syncToken=token)
    assert {each["resourceName"]: each["metadata"].get("deleted", False) for each in delta} == {
        first["resourceName"]: False,
        second["resourceName"]: True,
        single["resourceName"]: True,
    }
    assert {f"people.{method.operation}" for method in METHODS} <= set(client.checked)


def test_realistic_people_are_taken_and_shown_as_the_discovery_document_says(
    google: Simulator, client: PeopleClient
) -> None:
    google.add_people("1001", [to_google_person(each) for each in people(400, seed=11)])
    request = (
        client.people()
        .connections()
        .list(resourceName="people/me", personFields=",".join(sorted(READABLE)), pageSize=1000)
    )
    assert len(request.execute()["connections"]) == 400


def test_the_simulator_knows_the_parameters_of_each_method_from_the_document() -> None:
    """No parameter is missing, none is invented."""
    documented = methods()
    for method in METHODS:
        official = documented[f"people.{method.operation}"]
        query = {name for name, spec in official.get("parameters", {}).items() if spec["location"] == "query"}
        assert method.query == query, method.operation
        assert method.http == official["httpMethod"]
        assert {scope for scope in method.scopes if scope.startswith("https:")} <= set(official["scopes"])


def test_a_long_list_of_names_travels_as_a_post_that_stands_for_a_get(client: PeopleClient) -> None:
    """The client turns addresses over 2,048 characters into form posts with an override header."""
    created = create(client, *(person(number) for number in range(200)))
    names = [each["resourceName"] for each in created]
    answer = client.people().getBatchGet(resourceNames=names, personFields=MASK, sources=CONTACT).execute()
    assert [item["person"]["resourceName"] for item in answer["responses"]] == names


def test_pages_follow_one_another_and_the_last_one_alone_has_the_sync_token(client: PeopleClient) -> None:
    create(client, *(person(number) for number in range(25)))
    listing = client.people().connections()
    request = listing.list(resourceName="people/me", personFields=MASK, pageSize=10, requestSyncToken=True)
    answers = []
    while request is not None:
        answers.append(request.execute())
        request = listing.list_next(request, answers[-1])
    assert [len(answer["connections"]) for answer in answers] == [10, 10, 5]
    assert ["nextSyncToken" in answer for answer in answers] == [False, False, True]
    assert {answer["totalItems"] for answer in answers} == {25}


def test_a_delta_without_changes_is_a_sync_token_and_nothing_else(client: PeopleClient) -> None:
    create(client, person(1))
    _, token = list_all(client)
    listing = client.people().connections()
    answer = listing.list(
        resourceName="people/me", personFields=MASK, sources=CONTACT, requestSyncToken=True, syncToken=token
    ).execute()
    assert set(answer) == {"nextSyncToken"}


def test_an_expired_sync_token_is_refused_in_each_of_the_known_forms(google: Simulator, client: PeopleClient) -> None:
    _, token = list_all(client)
    google.advance(7 * 24 * 3600)
    fresh = google.client()
    for kind, status, name in (
        ("failed_precondition", 400, "FAILED_PRECONDITION"),
        ("invalid_argument", 400, "INVALID_ARGUMENT"),
        ("gone", 410, "FAILED_PRECONDITION"),
    ):
        google.settings(expired_sync_token=kind)
        request = (
            fresh.people()
            .connections()
            .list(resourceName="people/me", personFields=MASK, sources=CONTACT, requestSyncToken=True, syncToken=token)
        )
        http, error = refusal(request)
        assert (http, error["status"]) == (status, name)
        assert error["message"].startswith("Sync token is expired.")
        assert error["details"][0]["reason"] == "EXPIRED_SYNC_TOKEN"


def test_a_stale_etag_fails_the_batch_and_names_the_contact(google: Simulator, client: PeopleClient) -> None:
    first, second = create(client, person(1), person(2))
    google.control("POST", f"/accounts/1001/{second['resourceName']}/touch")
    contacts = {each["resourceName"]: {"etag": each["etag"], "names": [{"givenName": "X"}]} for each in (first, second)}
    body = {"contacts": contacts, "updateMask": "names", "readMask": "names"}
    status, error = refusal(client.people().batchUpdateContacts(body=body))
    assert (status, error["status"]) == (400, "FAILED_PRECONDITION")
    assert error["message"] == (
        "Request person.etag is different than the current person.etag. Clear local cache and get the latest person."
    )
    assert list(error["details"][0]["contactErrors"]) == [second["resourceName"]]
    untouched = client.people().get(resourceName=first["resourceName"], personFields="names").execute()
    assert untouched["names"][0]["givenName"] == "Ada 1"


def test_a_create_batch_with_one_wrong_contact_creates_nobody(client: PeopleClient) -> None:
    wrong = {"names": [{"givenName": "A"}, {"givenName": "B"}]}
    body = {"contacts": [{"contactPerson": person(1)}, {"contactPerson": wrong}], "readMask": "names"}
    status, error = refusal(client.people().batchCreateContacts(body=body))
    assert (status, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["contactErrors"] == {
        "1": {"code": 3, "message": "Cannot have more than one person.names per source."}
    }
    assert list_all(client)[0] == []


def test_a_read_only_grant_reads_and_does_not_write(google: Simulator) -> None:
    reader = google.client("1001", READONLY)
    assert list_all(reader)[0] == []
    status, error = refusal(reader.people().createContact(body=person(1)))
    assert (status, error["status"]) == (403, "PERMISSION_DENIED")
    assert error["message"] == "Request had insufficient authentication scopes."


def test_a_used_up_quota_is_named_in_the_answer_and_back_a_minute_later(
    google: Simulator, client: PeopleClient
) -> None:
    google.control("POST", "/clock", {"frozen": True})
    google.settings(quota_per_minute={"critical_write_requests": 11})
    create(client, person(1))
    body = {"contacts": [{"contactPerson": person(2)}], "readMask": "names"}
    status, error = refusal(client.people().batchCreateContacts(body=body))
    assert (status, error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert error["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
    assert error["details"][0]["metadata"] == {
        "quota_limit": "CriticalWritesPerMinutePerProjectPerUser",
        "quota_metric": "people.googleapis.com/critical_write_requests",
        "service": "people.googleapis.com",
        "consumer": "projects/100000000001",
    }
    google.advance(60)
    create(client, person(2))


def test_group_names_are_unique_and_system_groups_stay_as_they_are(client: PeopleClient) -> None:
    groups = client.groups()
    groups.create(body={"contactGroup": {"name": "Customers"}}).execute()
    status, error = refusal(groups.create(body={"contactGroup": {"name": "customers"}}))
    assert (status, error["status"]) == (409, "ALREADY_EXISTS")
    status, error = refusal(
        groups.update(resourceName="contactGroups/starred", body={"contactGroup": {"name": "Stars"}})
    )
    assert (status, error["status"]) == (400, "INVALID_ARGUMENT")


def test_limits_of_the_batch_methods_are_kept(client: PeopleClient) -> None:
    people = client.people()
    too_many = {"contacts": [{"contactPerson": person(1)}] * 201, "readMask": "names"}
    assert refusal(people.batchCreateContacts(body=too_many))[0] == 400
    assert refusal(people.batchDeleteContacts(body={"resourceNames": ["people/c1"] * 501}))[0] == 400
    assert refusal(people.getBatchGet(resourceNames=["people/c1"] * 201, personFields="names"))[0] == 400
    oversized = people.connections().list(resourceName="people/me", personFields="names", pageSize=1001)
    assert refusal(oversized)[0] == 400
    modified = {"resourceNamesToAdd": ["people/c1"] * 1001}
    assert refusal(client.groups().members().modify(resourceName="contactGroups/starred", body=modified))[0] == 400


def test_a_list_where_the_batch_update_wants_a_map_is_refused(client: PeopleClient) -> None:
    body = {"contacts": [{"resourceName": "people/c1"}], "updateMask": "names"}
    status, error = refusal(client.people().batchUpdateContacts(body=body))
    assert status == 400
    assert "Cannot bind a list to map" in error["message"]
