"""HTTP connections that hold no more of a request than is sensible, before it has a caller or a body.

uvicorn keeps the line, the headers and the trailers of a request however long they are, and copies what it has with
each piece that comes: one stranger's endless header blocks the event loop and fills the memory. This ends when uvicorn
bounds them itself for this parser, as it does for its other one (`h11_max_incomplete_event_size`).
"""

from __future__ import annotations

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HELD: Final = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """Refuses a request of which more than 64 KiB came without bringing it on: to its body, or in it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  the server's own arguments
        super().__init__(*args, **kwargs)
        self._held = 0
        self._brought_on = False

    def data_received(self, data: bytes) -> None:
        """Take what came, unless too much of the kind is held already."""
        self._brought_on = False
        super().data_received(data)
        self._held = 0 if self._brought_on else self._held + len(data)
        if self._held > MOST_HELD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._brought_on = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body is there, which the application bounds."""
        self._brought_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._brought_on = True
        super().on_message_complete()
