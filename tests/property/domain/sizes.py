"""How many cases a law is tried on: few by default, `CASES` for more."""

import os

from hypothesis import settings

SIZED = settings(max_examples=int(os.environ.get("CASES", "150")), deadline=None, database=None)
MACHINE = settings(SIZED, max_examples=SIZED.max_examples * 2 // 3, stateful_step_count=30)
