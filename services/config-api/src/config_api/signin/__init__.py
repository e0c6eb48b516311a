"""Signing in on the page by the issuer: authorization code flow with PKCE, then a session."""
