"""Zoho CRM v8 and Zoho's accounts server as a strict local server.

Built from published facts: the API documentation, the OpenAPI files that Zoho publishes, and reports of integrators.
Where these disagree or say nothing, `ZohoSettings` has a switch.
"""

from simulators.zoho.app import ZohoSimulator, create_app
from simulators.zoho.settings import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, OAuthClient, ZohoSettings

__all__ = ["DEMO_CLIENT_ID", "DEMO_CLIENT_SECRET", "OAuthClient", "ZohoSettings", "ZohoSimulator", "create_app"]
