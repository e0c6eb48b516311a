"""Paths of our own page, where browsers may be sent."""

from __future__ import annotations

import re
from typing import Final

_OWN: Final = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@%?#-][A-Za-z0-9._~!$&'()*+,;=:@%/?#-]*)?")


def own_path(asked: str) -> str:
    """The path if it is one of our own page, else its root.

    No second slash or backslash at its start, which browsers read as another host; no control characters.
    """
    return asked if _OWN.fullmatch(asked) else "/"
