"""The first schema: tables, row security, what each role may do."""

from pathlib import Path

from alembic import op

from contactsync.adapters.sql.migrations.scripts import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything; the two roles are made unless whoever runs the server has made them."""
    # A migration that cannot have its locks gives up and is started again, instead of stopping everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    for role in ("contactsync_app", "contactsync_scheduler"):
        op.execute(
            "DO $$ BEGIN "
            f"IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
            f"THEN CREATE ROLE {role} NOLOGIN NOINHERIT; END IF; END $$"
        )
    op.execute(
        "DO $$ BEGIN IF NOT pg_has_role('contactsync_app', 'contactsync_scheduler', 'MEMBER') "
        "THEN GRANT contactsync_scheduler TO contactsync_app; END IF; END $$"
    )
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
