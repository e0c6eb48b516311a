"""The trail of an organisation, for its administrators."""
