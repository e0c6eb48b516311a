"""A private PostgreSQL server: its own data folder and port, reachable from this machine with a password alone.

The roles are those of production. The *owner* holds the schema and makes databases; the *application* owns nothing, so
row level security binds it; it steps into the *scheduler* for single transactions and inherits nothing from it. None is
a superuser, whom row level security would let pass.
"""

import asyncio
import json
import os
import random
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg

from standalone.ports import LOOPBACK, free_ports
from standalone.postgres_programs import Disguise, PostgresPrograms, find_disguise, find_programs
from standalone.servers import RunningServer, ServerCommand, ServerStartError, ServerUnavailableError, supervised

SUPERUSER = "postgres"
OWNER_ROLE = "contactsync_owner"
APPLICATION_ROLE = "contactsync_app"
SCHEDULER_ROLE = "contactsync_scheduler"
DATABASE = "contactsync"

_START_ATTEMPTS = 3  # another process may take the port between probe and start
_START_WITHIN_S = 60
_POLL_S = 0.05
_GRACE_S = 20.0
_MAX_CONNECTIONS = 200
# Wrong after a crash of the machine, and right for data that ends with the test run.
_THROW_AWAY_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """Addresses of a database: for the application, and for what changes the schema."""

    url: str
    admin_url: str


@dataclass(frozen=True, slots=True)
class _Passwords:
    superuser: str
    owner: str
    application: str


@asynccontextmanager
async def private_postgres(
    data_dir: Path, *, durable: bool, environ: Mapping[str, str] = os.environ
) -> AsyncIterator[PostgresServer]:
    """A server on the data in `data_dir`, which is made when there is none; stopped at the end.

    Without `durable` the data does not survive a crash of the machine, and everything is faster.

    Raises ServerUnavailableError when this machine has no PostgreSQL that we may run, ServerStartError when it ends
    while it starts.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    programs = await find_programs(environ)
    disguise = await find_disguise(programs, data_dir)
    passwords = await _initialise(data_dir, programs, disguise, durable=durable)
    async with _started(data_dir, programs, disguise, passwords, durable=durable) as port:
        await _make_roles_and_database(port, passwords)
        yield PostgresServer(
            url=_url(APPLICATION_ROLE, passwords.application, port, DATABASE),
            admin_url=_url(OWNER_ROLE, passwords.owner, port, DATABASE),
        )


async def _initialise(data_dir: Path, programs: PostgresPrograms, disguise: Disguise, *, durable: bool) -> _Passwords:
    """Passwords of the cluster in `data_dir`, which exists afterwards, complete or not at all."""
    cluster, passwords_file = data_dir / "cluster", data_dir / "passwords.json"
    if cluster.exists():
        _check_version(cluster, programs)
        return _Passwords(**json.loads(passwords_file.read_text()))
    passwords = _Passwords(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    _write_secret(passwords_file, json.dumps(asdict(passwords)))
    draft = data_dir / "cluster.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    superuser_file = data_dir / "superuser-password"
    _write_secret(superuser_file, passwords.superuser)
    if disguise.owner is not None:
        os.chown(draft, disguise.owner, disguise.owner)
        os.chown(superuser_file, disguise.owner, disguise.owner)
    try:
        await _run_initdb(draft, superuser_file, programs, disguise, durable=durable)
    finally:
        superuser_file.unlink()
    draft.rename(cluster)
    return passwords


def _check_version(cluster: Path, programs: PostgresPrograms) -> None:
    made_by = (cluster / "PG_VERSION").read_text().strip()
    if made_by != str(programs.major):
        raise ServerUnavailableError(
            f"the data in {cluster} is of PostgreSQL {made_by} and {programs.folder} is {programs.major}: "
            "name the older programs in PG_BIN, or delete the data"
        )


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


async def _run_initdb(
    cluster: Path, password_file: Path, programs: PostgresPrograms, disguise: Disguise, *, durable: bool
) -> None:
    command = [
        *disguise.prefix,
        programs.path("initdb"),
        f"--pgdata={cluster}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        *([] if durable else ["--no-sync"]),
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise ServerStartError(f"initdb ended with code {process.returncode}: {output.decode(errors='replace')}")


def _environment() -> dict[str, str]:
    """Nothing of the caller's PG* variables reaches the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@asynccontextmanager
async def _started(
    data_dir: Path, programs: PostgresPrograms, disguise: Disguise, passwords: _Passwords, *, durable: bool
) -> AsyncIterator[int]:
    """The port of the server, which answers queries."""
    rng = random.SystemRandom()
    for attempt in range(1, _START_ATTEMPTS + 1):
        (port,) = free_ports(1, rng)
        command = ServerCommand(
            arguments=[*disguise.prefix, *_server_arguments(data_dir, programs, port, durable=durable)],
            environment=_environment(),
            folder=data_dir,
            log=data_dir / "server.log",
            stop_signal="SIGINT",  # fast shutdown: sessions are ended, the data is written (PostgreSQL, 18.5)
            grace_s=_GRACE_S,
        )
        async with supervised(command) as server:
            try:
                await _until_ready(server, port, passwords)
            except ServerStartError:
                if attempt == _START_ATTEMPTS:
                    raise
                continue
            yield port
            return


def _server_arguments(data_dir: Path, programs: PostgresPrograms, port: int, *, durable: bool) -> Sequence[str]:
    settings = [
        f"listen_addresses={LOOPBACK}",
        f"port={port}",
        "unix_socket_directories=",  # a socket's path holds 107 bytes at most, and ours may be longer
        f"max_connections={_MAX_CONNECTIONS}",
        *([] if durable else _THROW_AWAY_SETTINGS),
    ]
    options = [part for setting in settings for part in ("-c", setting)]
    return [programs.path("postgres"), "-D", str(data_dir / "cluster"), *options]


async def _until_ready(server: RunningServer, port: int, passwords: _Passwords) -> None:
    async with asyncio.timeout(_START_WITHIN_S):
        while True:
            server.check_alive()
            try:
                connection = await _connect(port, passwords)
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(_POLL_S)
                continue
            await connection.close()
            return


async def _connect(port: int, passwords: _Passwords) -> asyncpg.Connection:
    return await asyncpg.connect(_url(SUPERUSER, passwords.superuser, port, "postgres"), ssl=False)


async def _make_roles_and_database(port: int, passwords: _Passwords) -> None:
    """The roles and the database exist afterwards; each step may have been done by an earlier start."""
    connection = await _connect(port, passwords)
    try:
        # The passwords are ours and hold no quotes; CREATE ROLE takes no parameters.
        for role, rights in (
            (SCHEDULER_ROLE, "NOLOGIN"),
            # Not inheriting: what the scheduler may see is seen in transactions that step into its role alone.
            (APPLICATION_ROLE, f"LOGIN NOINHERIT IN ROLE {SCHEDULER_ROLE} PASSWORD '{passwords.application}'"),
            (OWNER_ROLE, f"LOGIN CREATEDB PASSWORD '{passwords.owner}'"),
        ):
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(f"CREATE ROLE {role} {rights}")
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}")
    finally:
        await connection.close()


def _url(role: str, password: str, port: int, database: str) -> str:
    return f"postgresql://{role}:{password}@{LOOPBACK}:{port}/{database}"
