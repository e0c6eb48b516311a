"""Consents: from the address that a browser is sent to, to the stored grant."""
