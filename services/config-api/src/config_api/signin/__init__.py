"""Signing in on the page by the issuer (authorization code flow with PKCE) or with Zoho CRM, then a session."""
