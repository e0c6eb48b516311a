"""Zoho CRM: contacts, metadata and consent, spoken to over its REST API v8.

`client` the address book · `metadata` rights, fields, views · `oauth` the grant · `identity` whose it is
· `data_centres` where all of it lives.

Below them: `api` one connection's requests · `protocol` and `coql` what is asked · `lookups` people and companies by
COQL · `refusals` what the CRM objects to · `codec` records to values and back · `writes` batches and their items.
"""
