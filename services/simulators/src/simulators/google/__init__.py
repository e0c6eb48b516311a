"""Google People API v1 and Google's OAuth as a strict local server.

Built from published facts: the discovery document of `people:v1`, Google's guides, and answers of the real service that
client authors published. Where these disagree, `GoogleSettings` has a switch.
"""

from simulators.google.app import create_app
from simulators.google.settings import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, GoogleSettings, OAuthClient
from simulators.google.simulator import GoogleSimulator

__all__ = ["DEMO_CLIENT_ID", "DEMO_CLIENT_SECRET", "GoogleSettings", "GoogleSimulator", "OAuthClient", "create_app"]
