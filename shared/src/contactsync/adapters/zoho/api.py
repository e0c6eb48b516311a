"""The API of one connection: a request goes out admitted and authorised, a refusal comes back as our error."""

from __future__ import annotations

from contactsync.adapters.http import Answer, AuthorizedHttp, HttpEdge
from contactsync.adapters.zoho import refusals
from contactsync.adapters.zoho.protocol import ApiRequest
from contactsync.domain.ids import ConnectionId
from contactsync.ports.directory import CallGate
from contactsync.ports.vault import TokenSource

TOKEN_SCHEME = "Zoho-oauthtoken"  # noqa: S105  the word before the token, which generic clients get wrong


class ZohoApi:
    """Requests of one connection.

    `credits_remaining` is the organisation's daily rest as last told; the CRM tells it once half of the day is used.
    """

    def __init__(self, edge: HttpEdge, tokens: TokenSource, connection_id: ConnectionId, gate: CallGate) -> None:
        self._http = AuthorizedHttp(
            edge, tokens, connection_id, gate, scheme=TOKEN_SCHEME, token_refused=refusals.is_refused_token
        )
        self.credits_remaining: int | None = None

    async def ask(self, request: ApiRequest) -> Answer:
        """The answer, refusals included, but for those that concern the connection or a limit.

        Raises AuthorizationLostError, RateLimitedError, and what `AuthorizedHttp.send` raises.
        """
        answer = await self._http.send(request.call, lambda token: request.to(token.api_base_url))
        self._note_credits(answer)
        if refusals.concerns_the_connection(answer):
            raise refusals.call_error(answer)
        return answer

    async def get(self, request: ApiRequest) -> Answer:
        """The answer to a request that is carried out or empty. Raises the error of any refusal."""
        answer = await self.ask(request)
        refusals.refuse(answer)
        return answer

    def _note_credits(self, answer: Answer) -> None:
        told = answer.headers.get("x-api-credits-remaining", "")
        if told.isascii() and told.isdecimal():
            self.credits_remaining = int(told)
