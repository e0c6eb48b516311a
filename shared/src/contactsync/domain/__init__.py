"""Pure rules and values: no clock, no client, no framework."""
