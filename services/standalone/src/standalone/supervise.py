"""Runs one server, and ends it with everything that it started when standard input closes.

    python -m standalone.supervise STOP_SIGNAL GRACE_S COMMAND [ARGUMENT...]

The one who starts this process holds the other end of standard input. Its death, however violent, is seen here as an
end of file, so no server outlives the process that it serves. What detaches itself from the server (Erlang's epmd) is
adopted by this process (Linux: prctl(2), PR_SET_CHILD_SUBREAPER) and killed last.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import psutil

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_KILL_WAIT_S = 5


def main(arguments: Sequence[str]) -> int:
    """The server's exit code, once it and all its descendants are gone."""
    stop_signal, grace_s, *command = arguments
    _adopt_orphans()
    wake = _wake_on_signals()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as server:
        try:
            _wait_for_end(server, wake)
            return _stop(server, signal.Signals[stop_signal], float(grace_s))
        finally:
            _kill_descendants()


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wake_on_signals() -> int:
    """A file descriptor that becomes readable when a child ends or this process is asked to end."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return readable


def _wait_for_end(server: subprocess.Popen[bytes], wake: int) -> None:
    """Return when the server has ended, standard input has closed, or SIGTERM or SIGINT has come."""
    owner = sys.stdin.fileno()
    while not _has_ended(server):
        ready, _, _ = select.select([owner, wake], [], [])
        if owner in ready and not os.read(owner, 1):
            return
        if wake in ready and any(number != signal.SIGCHLD for number in os.read(wake, 64)):
            return


def _has_ended(server: subprocess.Popen[bytes]) -> bool:
    """Whether the server has ended; adopted processes that have are reaped on the way."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while (ended := os.waitid(os.P_ALL, 0, flags)) is not None:
        if ended.si_pid == server.pid:
            return True
        os.waitpid(ended.si_pid, 0)
    return False


def _stop(server: subprocess.Popen[bytes], stop_signal: signal.Signals, grace_s: float) -> int:
    server.send_signal(stop_signal)  # does nothing when the server has ended
    try:
        return server.wait(grace_s)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


def _kill_descendants() -> None:
    """Kill until none is left: a process that is dying may have started another."""
    myself = psutil.Process()
    while descendants := myself.children(recursive=True):
        for process in descendants:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(descendants, timeout=_KILL_WAIT_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
