"""Both services in one process, with private servers for what is not given."""
