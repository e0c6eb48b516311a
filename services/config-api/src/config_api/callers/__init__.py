"""Who calls: signed tokens of trusted issuers, and what they say about a person."""
