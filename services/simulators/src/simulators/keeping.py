"""The state of the simulators in a file, from the end of one process to the start of the next.

Clocks, data, grants and tokens are kept; faults, the request log and settings are not: the command line's count. The
file is taken when it is read, so that a process that was killed leaves nothing behind that its clients are ahead of.

It is a pickle. The file lies in a folder of the person who runs the trial, is written and read by this program alone,
and holds graphs of a hundred thousand small objects, some of them shared, that no other format of the standard library
carries. The bench of a simulator, and through it the application, stays outside the pickle. Nothing of a file is
unpickled that was written by other source code or is not whole.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from simulators.bench import Bench

FILE: Final = "simulators.state"
_NAME: Final = b"contact-sync simulators"


class KeptStateError(RuntimeError):
    """The kept state cannot be gone on with; the message is one line that says why."""


class Keepable(Protocol):
    """A simulator whose world can be kept."""

    @property
    def bench(self) -> Bench[Any]:
        """Clock, random and settings."""
        ...

    def kept(self) -> object:
        """What outlives the process, as one graph of objects."""
        ...

    def restore(self, kept: Any) -> None:  # noqa: ANN401  what `kept` gave
        """Go on with it."""
        ...


def keep(folder: Path, simulators: Mapping[str, Keepable]) -> None:
    """Write the state into `folder`; a reader never sees half of it."""
    worlds = {name: (one.bench.clock, one.bench.rng, one.kept()) for name, one in simulators.items()}
    content = io.BytesIO()
    _Pickler(content, simulators).dump(worlds)
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{FILE}.new"
    # It holds tokens, though they open nothing but the simulators.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(b"\n".join((_NAME, _source(), _digest(content.getvalue()), content.getvalue())))
    draft.replace(folder / FILE)


def take(folder: Path, simulators: Mapping[str, Keepable]) -> None:
    """Go on with the state in `folder`, which is gone afterwards; where there is none, nothing happens.

    Raises KeptStateError when it is broken or was written by another version.
    """
    file = folder / FILE
    if not file.exists():
        return
    name, source, digest, content = (file.read_bytes().split(b"\n", 3) + [b""] * 3)[:4]
    if name != _NAME or digest != _digest(content):
        raise KeptStateError(f"{file} is broken")
    if source != _source():
        raise KeptStateError(f"{file} was written by another version")
    for one, (clock, rng, world) in _Unpickler(io.BytesIO(content), simulators).load().items():
        simulator = simulators[one]
        simulator.bench.clock.follow(clock)
        simulator.bench.rng = rng
        simulator.restore(world)
    file.unlink()


class _Pickler(pickle.Pickler):
    """Writes the name of a simulator in the place of its bench."""

    def __init__(self, stream: io.BytesIO, simulators: Mapping[str, Keepable]) -> None:
        super().__init__(stream, protocol=pickle.HIGHEST_PROTOCOL)
        self._names = {id(one.bench): name for name, one in simulators.items()}

    def persistent_id(self, obj: object) -> str | None:
        return self._names.get(id(obj))


class _Unpickler(pickle.Unpickler):
    """Puts the bench of this process back in its place."""

    def __init__(self, stream: io.BytesIO, simulators: Mapping[str, Keepable]) -> None:
        super().__init__(stream)
        self._simulators = simulators

    def persistent_load(self, pid: str) -> object:
        return self._simulators[pid].bench


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()


def _source() -> bytes:
    """A name for this version: any change of the source may change the shape of the objects."""
    here = Path(__file__).parent
    files = sorted(here.rglob("*.py"))
    return _digest(b"".join(file.relative_to(here).as_posix().encode() + file.read_bytes() for file in files))
