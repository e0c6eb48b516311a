"""Texts that callers send."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _storable(text: str) -> str:
    """The text as it came. PostgreSQL stores any character but NUL; half of a surrogate pair is none."""
    if "\0" in text:
        raise ValueError("the character NUL cannot be stored")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # pydantic lets them pass in a union and in a mapping
        raise ValueError("half of a character cannot be stored") from error
    return text


Text = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
"""Any text that can be stored."""
