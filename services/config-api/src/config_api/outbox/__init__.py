"""The relay between the outbox table and the broker."""
