"""Consent is given as on the vendors' pages: every box, the first choice of each question, the first button."""

from __future__ import annotations

from urllib.parse import parse_qs

import httpx2
import pytest

from standalone.consent import ConsentError, agree

_PAGE = """<form method="post" action="answer"><input type="hidden" name="ticket" value="t1">
<input type="radio" name="account" value="ada" required><input type="radio" name="account" value="bob" required>
<input type="checkbox" name="scope" value="read"><input type="checkbox" name="scope" value="write">
<select name="user"><option value="7">A</option><option value="8">B</option></select>
<button name="answer" value="allow">Yes</button><button name="answer" value="deny">No</button></form>"""


class _Vendor:
    """A consent page and the way back; remembers what was answered."""

    def __init__(self, page: str = _PAGE, callback: int = 200) -> None:
        self._page = page
        self._callback = callback
        self.answered: dict[str, list[str]] = {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/start":
            return httpx2.Response(303, headers={"location": "http://vendor.example/oauth/ask"})
        if request.url.host == "app.example":
            return httpx2.Response(self._callback, text="done")
        if request.method == "GET":
            return httpx2.Response(200, text=self._page)
        assert str(request.url) == "http://vendor.example/oauth/answer"
        self.answered = parse_qs(request.content.decode())
        return httpx2.Response(302, headers={"location": "http://app.example/callback?code=c"})

    async def asked(self) -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(self)) as client:
            await agree("http://app.example/start", client)


async def test_everything_on_the_page_is_agreed_to() -> None:
    vendor = _Vendor()
    await vendor.asked()
    assert vendor.answered == {
        "ticket": ["t1"],
        "account": ["ada"],
        "scope": ["read", "write"],
        "user": ["7"],
        "answer": ["allow"],
    }


async def test_a_page_without_a_form_is_told() -> None:
    with pytest.raises(ConsentError, match=r"no consent page at vendor\.example"):
        await _Vendor(page="<h1>Invalid Client ID</h1>").asked()


async def test_a_product_that_refuses_the_answer_is_told() -> None:
    with pytest.raises(ConsentError, match=r"app\.example refused the consent: 400"):
        await _Vendor(callback=400).asked()
