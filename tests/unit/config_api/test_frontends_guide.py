"""What the guide for frontends tells them to ask for is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from config_api.app import interface

GUIDE = (Path(__file__).resolve().parents[3] / "docs/frontends.md").read_text(encoding="utf-8")
CALLS = re.findall(r"^curl (.*?)$", GUIDE.replace("\\\n", " "), re.MULTILINE)


def _described() -> dict[str, Any]:
    return interface().openapi()


@pytest.mark.parametrize("call", CALLS)
def test_every_call_of_the_guide_is_in_the_description_with_its_parameters_and_body(call: str) -> None:
    described = _described()
    asked = re.search(r"\$API(/[^\s\"?]*)(?:\?([^\s\"]*))?", call)
    assert asked is not None
    method = re.search(r"-X (\w+)", call)
    path = re.compile(re.sub(r"\$[A-Z]+", r"\\{\\w+\\}", re.escape(asked[1]).replace(r"\$", "$")))
    found = [known for known in described["paths"] if path.fullmatch(known)] or [
        known for known in described["paths"] if re.fullmatch(re.sub(r"\{provider\}", "google", known), asked[1])
    ]
    assert len(found) == 1
    operation = described["paths"][found[0]][method[1].lower() if method else "get"]
    parameters = {parameter["name"] for parameter in operation.get("parameters", [])}
    assert {name.partition("=")[0] for name in (asked[2] or "").split("&") if name} <= parameters
    body = re.search(r"-d '(.*?)'", call)
    if body is not None:
        (media_type,) = operation["requestBody"]["content"].values()
        named = re.findall(r"/schemas/(\w+)", json.dumps(media_type["schema"]))
        assert json.loads(body[1]).keys() <= described["components"]["schemas"][named[0]]["properties"].keys()


def test_the_guide_is_read() -> None:
    assert len(CALLS) > 15
