"""The page in a frame of another site: a one-time address, made by the CRM's backend for one user."""
