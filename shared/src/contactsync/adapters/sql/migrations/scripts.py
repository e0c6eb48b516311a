"""Running a file of SQL in a migration."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection


def run_script(connection: Connection, path: Path) -> None:
    """Execute all statements of the file in the migration's transaction.

    By the driver itself: prepared statements, which SQLAlchemy uses throughout, hold one statement each.
    """
    statements = path.read_text(encoding="utf-8")

    async def execute(driver: Any) -> None:  # noqa: ANN401 # asyncpg's connection, which SQLAlchemy types as Any
        await driver.execute(statements)

    adapted: Any = connection.connection.dbapi_connection
    adapted.run_async(execute)
