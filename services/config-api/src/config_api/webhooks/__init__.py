"""Webhooks: calls of the CRM that ask for runs, and calls of ours that bring news."""
