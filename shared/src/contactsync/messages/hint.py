"""The queue's only message: "look at this slice of this run"."""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contactsync.errors import PoisonMessageError

SCHEMA_VERSION: Final = 1


class RunHint(BaseModel):
    """Names a slice of a run; everything else is in PostgreSQL. Under 1 KiB, without contact data."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    schema_version: Literal[1] = Field(default=SCHEMA_VERSION, alias="schema")
    run: UUID
    slice: int
    organisation: UUID
    configuration: UUID
    trace: str = ""

    def to_bytes(self) -> bytes:
        """The message body, JSON in UTF-8."""
        return self.model_dump_json(by_alias=True).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> RunHint:
        """The hint in a message body. Raises PoisonMessageError when it can never be understood."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            kinds = ",".join(sorted({str(item["type"]) for item in error.errors()}))
            raise PoisonMessageError(f"unreadable hint: {kinds}") from error
