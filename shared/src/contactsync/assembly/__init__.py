"""How the adapters are put together from settings: what both services would otherwise write twice."""
