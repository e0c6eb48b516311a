"""Free ports for private servers."""

import socket
from random import Random

import pytest

from standalone import ports
from standalone.ports import FIRST_PORT, LAST_PORT, LOOPBACK, NoFreePortError, free_ports


def test_ports_are_different_and_below_the_range_of_outgoing_connections() -> None:
    found = free_ports(20, Random(1))
    assert len(set(found)) == 20
    assert all(FIRST_PORT <= port <= LAST_PORT for port in found)


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    (wanted,) = free_ports(1, Random(2))
    with socket.create_server((LOOPBACK, wanted)):
        assert free_ports(1, Random(2)) != [wanted]


def test_a_machine_without_a_free_port_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    (taken,) = free_ports(1, Random(3))
    monkeypatch.setattr(ports, "FIRST_PORT", taken)
    monkeypatch.setattr(ports, "LAST_PORT", taken)
    with socket.create_server((LOOPBACK, taken)), pytest.raises(NoFreePortError, match="no 1 free ports"):
        free_ports(1, Random(3))
