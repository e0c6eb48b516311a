"""Sync configurations: one CRM view joined to one Google group, with its settings."""
