"""One start: servers, simulated vendors, services, the demonstration, and serving until it is stopped."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from importlib.metadata import version
from random import SystemRandom
from typing import Any, Final

import httpx2
import psutil

from contactsync.telemetry.logs import configure_logging
from standalone.accounts import Visit
from standalone.customer import Customer
from standalone.folder import encryption_keys
from standalone.kept import Kept, read_kept
from standalone.options import Options
from standalone.ports import LOOPBACK, free_ports, is_free
from standalone.report import Step, write_report
from standalone.screen import Screen
from standalone.stack import DATABASE_URL, Servers, ServiceSettings, servers, services
from standalone.story import Story
from standalone.vendors import OAuthClient, VendorUrls, furnish, kept_customer, simulated_vendors

REPORT: Final = "demo-report.json"
LOG: Final = "log.jsonl"

_USUAL_PORT: Final = 8080


async def run(options: Options, screen: Screen, stop: asyncio.Event, serving: asyncio.Event) -> None:
    """Tell the story, write the report, and go on serving until `stop`; `serving` is set when the story is over."""
    with (options.folder / LOG).open("ab") as log:
        configure_logging("standalone", stream=log)
        if options.accounts:
            await _with_accounts(options, screen, stop, serving)
        else:
            await _with_simulators(options, screen, stop, serving)


async def _with_accounts(options: Options, screen: Screen, stop: asyncio.Event, serving: asyncio.Event) -> None:
    """The person's own accounts; nothing of an earlier start is forgotten."""
    async with servers(options.folder) as backing:
        settings = ServiceSettings.read(**_basics(options, backing))
        public_url = settings.api.public_address
        vendors = [("Zoho CRM", "real accounts"), ("Google", "real accounts")]
        _banner(screen, options, [*_about(backing), *vendors, ("config-api", public_url)])
        async with services(settings), httpx2.AsyncClient() as client:
            await Visit(Customer(client, f"http://{LOOPBACK}:{settings.api.api_port}"), screen).first_sync()
            await _serve(options, screen, public_url, stop, serving)


async def _with_simulators(options: Options, screen: Screen, stop: asyncio.Event, serving: asyncio.Event) -> None:
    port = _port()
    public_url = f"http://{LOOPBACK}:{port}"
    zoho, google = _clients(public_url)
    kept = read_kept(options.folder) if options.keep else None
    if kept is not None:
        options = replace(options, contacts=kept.contacts)
    async with _surroundings(options, kept, zoho, google) as (backing, vendors):
        settings = ServiceSettings.read(
            **_basics(options, backing),
            api_port=port,
            public_url=public_url,
            **_providers(vendors, zoho, google),
            **({} if options.real else _UNLIMITED),
        )
        _banner(
            screen,
            options,
            [_about_state(options), *_about(backing), *_about_vendors(options, vendors), ("config-api", public_url)],
        )
        async with services(settings), httpx2.AsyncClient() as client:
            customer = Customer(client, public_url)
            steps = await _story(options, kept, vendors, customer, client, screen)
            screen.summary(steps)
            write_report(options.folder.parent / REPORT, steps, _machine(options, backing))
            screen.say(f"\nFor machines: {options.folder.parent / REPORT}")
            await _serve(options, screen, public_url, stop, serving)


async def _story(
    options: Options,
    kept: Kept | None,
    urls: VendorUrls,
    customer: Customer,
    client: httpx2.AsyncClient,
    screen: Screen,
) -> Mapping[str, Step]:
    """The demonstration, from its beginning or from where the last start left it; the steps by name."""
    if kept is not None:
        kept = kept.next_round()
        # Written before the edits: a start that is interrupted among them has used them up.
        kept.write(options.folder)
        return await Story(customer, kept_customer(urls, client, kept), client, screen, options).go_on(kept)
    vendors = await furnish(urls, client)
    story = Story(customer, vendors, client, screen, options)
    first = await story.begin()
    kept = Kept(
        zoho_port=urls.zoho_port,
        google_port=urls.google_port,
        zgid=vendors.crm.zgid,
        view_name=vendors.crm.view_name,
        sub=vendors.google.sub,
        contacts=options.contacts,
        config_id=first.run["configuration_id"],
        first_run_id=first.run["id"],
    )
    kept.write(options.folder)
    return {"first": first, **await story.go_on(kept)}


def _basics(options: Options, backing: Servers) -> dict[str, Any]:
    return {
        "keys": encryption_keys(options.folder),
        "database_url": backing.database_url,
        "amqp_url": backing.amqp_url,
        "admin_port": 0,
    }


async def _serve(
    options: Options, screen: Screen, public_url: str, stop: asyncio.Event, serving: asyncio.Event
) -> None:
    """Serve until `stop`, where that is wanted."""
    if options.serve:
        serving.set()
        _invite(screen, public_url)
        await stop.wait()


_UNLIMITED: Final = {"google_read_per_minute": 0, "google_write_per_minute": 0, "google_delete_per_minute": 0}
"""The simulators' quotas are lifted, so the worker's account of them is too."""


@asynccontextmanager
async def _surroundings(
    options: Options, kept: Kept | None, zoho: OAuthClient, google: OAuthClient
) -> AsyncIterator[tuple[Servers, VendorUrls]]:
    """Servers and simulators, started side by side."""
    async with AsyncExitStack() as stack:
        simulated = simulated_vendors(options.folder, zoho=zoho, google=google, real=options.real, kept=kept)
        vendors = asyncio.create_task(stack.enter_async_context(simulated), name="simulators")
        try:
            backing = await stack.enter_async_context(servers(options.folder, _without_database(os.environ)))
        finally:
            await asyncio.wait({vendors})
        yield backing, vendors.result()


def _without_database(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Simulated accounts begin afresh or with their own data, so they never get a database that somebody gave."""
    return {name: value for name, value in environ.items() if name != DATABASE_URL}


def _port() -> int:
    """The usual port, or another one when it is taken; `CONTACTSYNC_API_PORT` insists."""
    given = os.environ.get("CONTACTSYNC_API_PORT")
    if given:
        return int(given)
    return _USUAL_PORT if is_free(_USUAL_PORT) else free_ports(1, SystemRandom())[0]


def _clients(public_url: str) -> tuple[OAuthClient, OAuthClient]:
    """As an operator registers config-api with both vendors."""
    secret = "known-to-the-simulators-alone"  # noqa: S105  opens nothing but the simulators
    return (
        OAuthClient("1000.STANDALONE", secret, f"{public_url}/oauth/zoho/callback"),
        OAuthClient("standalone.apps.googleusercontent.com", secret, f"{public_url}/oauth/google/callback"),
    )


def _providers(urls: VendorUrls, zoho: OAuthClient, google: OAuthClient) -> dict[str, Any]:
    """Settings that put the simulators in the vendors' place."""
    return {
        "zoho_client_id": zoho.client_id,
        "zoho_client_secret": zoho.secret,
        "zoho_accounts_url": urls.zoho,
        "zoho_api_url": urls.zoho,
        "google_client_id": google.client_id,
        "google_client_secret": google.secret,
        "google_auth_url": f"{urls.google}/o/oauth2/v2/auth",
        "google_token_url": f"{urls.google}/token",
        "google_revoke_url": f"{urls.google}/revoke",
        "google_jwks_url": f"{urls.google}/oauth2/v3/certs",
        "google_people_url": urls.google,
    }


def _banner(screen: Screen, options: Options, facts: list[tuple[str, str]]) -> None:
    title = f"Contact Sync {version('contactsync-standalone')}: config-api and sync-worker in one process"
    screen.banner(title, [*facts, ("log", str(options.folder / LOG))])


def _about(backing: Servers) -> list[tuple[str, str]]:
    return [("database", backing.about_database), ("queue", backing.about_queue)]


def _about_state(options: Options) -> tuple[str, str]:
    return ("state", "that of the last start" if options.keep else "new (KEEP=1 goes on with the last one)")


def _about_vendors(options: Options, urls: VendorUrls) -> list[tuple[str, str]]:
    pace = (
        "with the vendors' quotas and latencies"
        if options.real
        else "they answer at once and have no quotas (REAL=1: true quotas and latencies)"
    )
    return [("Zoho CRM", f"simulated, {urls.zoho}"), ("Google", f"simulated, {urls.google}"), ("", pace)]


def _machine(options: Options, backing: Servers) -> dict[str, Any]:
    return {
        "version": version("contactsync-standalone"),
        "python": platform.python_version(),
        "cpus": psutil.cpu_count(),
        "contacts": options.contacts,
        "queue": backing.about_queue,
        "true_quotas_and_latencies": options.real,
    }


def _invite(screen: Screen, public_url: str) -> None:
    screen.heading(f"config-api goes on serving {public_url} until Ctrl-C")
    screen.say(f"  curl {public_url}/v1/sync-configs")
    screen.say(f"  curl {public_url}/v1/openapi.json")
