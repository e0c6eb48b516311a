"""Consent to revocation, in several data centres; and what a connection learns of its user and organisation."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from contactsync.adapters.zoho.client import ZohoContacts
from contactsync.adapters.zoho.identity import identify
from contactsync.adapters.zoho.notifications import LONGEST_LIFE, ZohoNotifications
from contactsync.adapters.zoho.oauth import SCOPES, ZohoOAuth, ZohoOAuthSettings
from contactsync.domain.catalogue import ValueKind
from contactsync.domain.ids import ViewId
from contactsync.errors import AuthorizationLostError, ProviderContractError
from simulators.zoho import DEMO_CLIENT_ID
from tests.integration.zoho.harness import CALLBACK, Customer, RefreshedTokens, SystemClock, Vendor
from tests.unit.adapters.zoho.fakes import CONNECTION


class TestConsent:
    @pytest.mark.parametrize("centre", ["us", "eu", "in"])
    async def test_a_user_of_any_data_centre_connects_and_disconnects(self, zoho: Vendor, centre: str) -> None:
        await zoho.settings(consent="approve")
        customer = await zoho.customer(data_centre=centre)
        returned = await zoho.consent(zoho.oauth.authorization_url("state-1"))
        assert returned["state"] == "state-1"
        grant = await zoho.oauth.exchange(returned["code"], returned["accounts-server"], zoho.gate)
        assert (grant.data_centre, grant.missing_scopes()) == (centre, ())
        found = await identify(zoho.edge, grant.access, zoho.gate)
        assert (found.user.id, found.user.email) == (customer.user_id, "owner@example.com")
        assert found.organisation.zgid == customer.zgid
        assert await zoho.oauth.revoke(grant.refresh_token, centre, zoho.gate)
        with pytest.raises(AuthorizationLostError):
            await zoho.oauth.refresh(grant.refresh_token, centre, zoho.gate)
        with pytest.raises(AuthorizationLostError):
            await identify(zoho.edge, grant.access, zoho.gate)
        assert not await zoho.oauth.revoke(grant.refresh_token, centre, zoho.gate)

    async def test_a_code_is_used_once_and_only_where_it_belongs(self, zoho: Vendor) -> None:
        await zoho.settings(consent="approve")
        await zoho.customer(data_centre="eu")
        returned = await zoho.consent(zoho.oauth.authorization_url("s"))
        with pytest.raises(AuthorizationLostError):
            await zoho.oauth.exchange(returned["code"], None, zoho.gate)
        await zoho.oauth.exchange(returned["code"], returned["accounts-server"], zoho.gate)
        with pytest.raises(AuthorizationLostError):
            await zoho.oauth.exchange(returned["code"], returned["accounts-server"], zoho.gate)

    async def test_a_refused_consent_brings_no_code(self, zoho: Vendor) -> None:
        await zoho.settings(consent="refuse")
        returned = await zoho.consent(zoho.oauth.authorization_url("s"))
        assert (returned["error"], "code" in returned) == ("access_denied", False)

    async def test_a_forged_accounts_server_is_never_contacted(self, zoho: Vendor) -> None:
        port = urlsplit(zoho.url).port
        for forged in (f"http://127.0.0.1:{port}/mars", f"http://localhost:{port}", "https://accounts.zoho.com"):
            with pytest.raises(AuthorizationLostError):
                await zoho.oauth.exchange("code", forged, zoho.gate)
        assert await zoho.calls() == []

    async def test_a_wrong_secret_says_so(self, zoho: Vendor, crm: Customer) -> None:
        wrong = ZohoOAuthSettings(client_id=DEMO_CLIENT_ID, client_secret="wrong", redirect_uri=CALLBACK)
        oauth = ZohoOAuth(zoho.edge, wrong, zoho.centres, SystemClock())
        with pytest.raises(ProviderContractError) as caught:
            await oauth.refresh(crm.refresh_token, "us", crm.gate)
        assert caught.value.reason == "oauth_client_refused"

    async def test_a_token_at_another_data_centres_api_is_told_apart_from_a_dead_one(self, zoho: Vendor) -> None:
        crm = await zoho.customer(data_centre="eu")
        token = await zoho.oauth.refresh(crm.refresh_token, "eu", crm.gate)
        strayed = type(token)(token.value, token.expires_at, zoho.url)
        tokens = RefreshedTokens(zoho.oauth, crm.gate, crm.refresh_token, "eu", held=strayed)
        contacts = ZohoContacts(zoho.edge, tokens, CONNECTION, crm.mapping, crm.gate)
        with pytest.raises(AuthorizationLostError) as caught:
            await contacts.view_page(crm.all_contacts, None)
        assert caught.value.reason == "wrong_data_centre"

    async def test_the_scopes_that_are_asked_for_are_all_that_the_connector_needs(self, zoho: Vendor) -> None:
        crm = await zoho.customer(scopes=SCOPES)
        await crm.populate(3)
        contacts, metadata = crm.contacts, crm.metadata
        assert len((await contacts.view_page(crm.all_contacts, None)).records) == 3
        assert len(await contacts.find_addresses(["a@x.org"])) == 0
        made = await contacts.create_companies(["Engines"])
        assert await contacts.companies(["Engines"]) == made
        assert await contacts.view_exists(crm.all_contacts)
        user = await metadata.current_user()
        assert await metadata.rights(user.profile_id) is not None
        assert await metadata.fields()
        assert await metadata.views()
        assert (await metadata.organisation()).zgid == crm.zgid
        notifications = ZohoNotifications(zoho.edge, crm.tokens, CONNECTION, crm.gate)
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        assert await notifications.subscribe("1000001", "http://127.0.0.1:9/hook", "t" * 50, until) == until
        assert await notifications.renew("1000001", until + timedelta(days=1)) == until + timedelta(days=1)
        await notifications.unsubscribe("1000001")
        assert await notifications.renew("1000001", until) is None

    async def test_a_channel_never_asks_for_longer_than_the_crm_allows(self, zoho: Vendor, crm: Customer) -> None:
        """What is beyond a week silently becomes one hour."""
        notifications = ZohoNotifications(zoho.edge, crm.tokens, CONNECTION, crm.gate)
        now = datetime.now(UTC).replace(microsecond=0)
        longest = now + LONGEST_LIFE
        assert await notifications.subscribe("1000001", "http://127.0.0.1:9/hook", "t", longest) == longest
        too_long = now + timedelta(days=8)
        told = await notifications.subscribe("1000002", "http://127.0.0.1:9/hook", "t", too_long)
        assert told < now + timedelta(hours=2)


class TestMetadata:
    async def test_two_users_see_the_same_revision_in_their_own_zones(self, zoho: Vendor, crm: Customer) -> None:
        await crm.populate(5)
        hired = await crm.hand("users", email="two@example.com", time_zone="America/St_Johns")
        issued = await zoho.control("POST", "tokens", user_id=hired["id"])
        tokens = RefreshedTokens(zoho.oauth, crm.gate, issued["refresh_token"], "us")
        other = ZohoContacts(zoho.edge, tokens, CONNECTION, crm.mapping, crm.gate)
        mine = (await crm.contacts.view_page(crm.all_contacts, None)).records
        theirs = (await other.view_page(crm.all_contacts, None)).records
        assert [one.revision for one in mine] == [one.revision for one in theirs]

    async def test_the_edition_and_its_end_are_told(self, zoho: Vendor) -> None:
        free = await zoho.customer(edition=None)
        trial = await zoho.customer(edition=None, trial="professional")
        paid = await zoho.customer(edition="standard")
        editions = [(await one.metadata.organisation()).edition(date(2026, 3, 1)) for one in (free, trial, paid)]
        assert editions == ["free", "professional", "standard"]

    async def test_the_rights_of_a_profile_are_told_to_who_may_read_it(self, zoho: Vendor) -> None:
        admin = await zoho.customer()
        await admin.change("profiles/Administrator", disable=["Crm_Implied_Delete_Contacts"])
        user = await admin.metadata.current_user()
        rights = await admin.metadata.rights(user.profile_id)
        assert rights is not None
        assert rights.missing() == ("Crm_Implied_Delete_Contacts",)
        plain = await zoho.customer(users=[{"email": "p@example.com", "profile": "Standard"}])
        user = await plain.metadata.current_user()
        assert await plain.metadata.rights(user.profile_id) is None

    async def test_the_fields_have_the_kinds_and_lengths_of_the_organisation(self, crm: Customer) -> None:
        await crm.hand("fields", label="Shoe size", data_type="integer")
        await crm.hand("fields", label="Interests", data_type="multiselectpicklist", choices=["Sailing", "Maths"])
        await crm.hand("fields", label="Story", data_type="textarea", length=50_000)
        await crm.change("fields/Contacts/Mobile", length=20)
        await crm.change("fields/Contacts/Fax", visible=False)
        fields = {one.api_name: one for one in await crm.metadata.fields()}
        assert (fields["Email"].kind, fields["Email"].max_length) == (ValueKind.EMAIL, 100)
        assert (fields["Mobile"].max_length, fields["Last_Name"].mandatory) == (20, True)
        assert (fields["Account_Name"].kind, fields["Account_Name"].writable) == (ValueKind.COMPANY, True)
        assert (fields["Shoe_size"].custom, fields["Shoe_size"].kind) == (True, ValueKind.NUMBER)
        assert fields["Interests"].picklist == ("Sailing", "Maths")
        assert "Story" not in fields  # rich text: lists cut it
        assert (fields["Salutation"].picklist[0], fields["Owner"].writable) == ("Mr.", False)
        assert not {"Fax", "Record_Image"} & set(fields)

    async def test_views_are_listed_and_those_that_move_with_time_are_marked(self, crm: Customer) -> None:
        since = {
            "comparator": "greater_than",
            "field": {"api_name": "Modified_Time"},
            "value": "2026-01-01T00:00:00+00:00",
        }
        city = {"comparator": "equal", "field": {"api_name": "Mailing_City"}, "value": "Paris"}
        both = {"group_operator": "and", "group": [city, since]}
        made = [
            (await crm.hand("views", name=f"V{n}", criteria=one))["id"] for n, one in enumerate((city, since, both))
        ]
        listed = {one.name: one for one in await crm.metadata.views()}
        assert listed["All Contacts"].id == crm.all_contacts
        assert listed["All Contacts"].default
        found = [await crm.metadata.view(ViewId(one)) for one in made]
        assert [one and one.by_the_hour for one in found] == [False, True, True]
        assert await crm.metadata.view(ViewId("9999999999999999999")) is None
