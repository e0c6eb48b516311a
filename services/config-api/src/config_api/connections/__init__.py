"""Connections: one user's grant to one account of one provider."""
