"""Zoho CRM and Google People as strict local servers, for trials and tests. They know nothing of the product."""
