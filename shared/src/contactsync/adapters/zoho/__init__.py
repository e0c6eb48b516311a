"""Zoho CRM: contacts, metadata and consent, spoken to over its REST API v8.

`data_centres` where it lives · `protocol` and `coql` what is asked · `refusals` what it objects to · `codec` records
to values and back · `writes` batches and their items · `client` the address book · `metadata` rights, fields, views
· `oauth` the grant.
"""
