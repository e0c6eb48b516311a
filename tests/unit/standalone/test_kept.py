"""What a start leaves for the next one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from standalone.kept import Kept, KeptStateError, is_kept, read_kept

_KEPT = Kept(
    zoho_port=15_001,
    google_port=15_002,
    zgid="1",
    view_name="My customers",
    sub="2",
    contacts=10,
    config_id="3",
    first_run_id="4",
)


def test_the_next_start_reads_what_the_last_one_wrote(tmp_path: Path) -> None:
    assert not is_kept(tmp_path)
    _KEPT.write(tmp_path)
    assert is_kept(tmp_path)
    assert read_kept(tmp_path) == _KEPT
    assert read_kept(tmp_path).next_round() == replace(_KEPT, rounds=2)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"another": 1}'])
def test_a_broken_file_is_told_in_one_line(tmp_path: Path, content: str) -> None:
    _KEPT.write(tmp_path)
    (tmp_path / "kept.json").write_text(content)
    with pytest.raises(KeptStateError, match=r"kept\.json cannot be read: begin afresh without KEEP=1$"):
        read_kept(tmp_path)


def test_a_state_of_another_version_is_told_in_one_line(tmp_path: Path) -> None:
    replace(_KEPT, made_by="0.0.1").write(tmp_path)
    with pytest.raises(KeptStateError, match=r"was written by version 0\.0\.1: begin afresh without KEEP=1$"):
        read_kept(tmp_path)
