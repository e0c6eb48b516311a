"""News that leaves: signed calls to addresses of an organisation, letters to the owner of a configuration."""
