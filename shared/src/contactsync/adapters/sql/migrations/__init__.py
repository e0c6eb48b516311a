"""Alembic's scripts; `contactsync.adapters.sql.migrate` runs them."""
