"""The lists that the form of a sync configuration needs."""
