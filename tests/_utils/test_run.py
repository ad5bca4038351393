"""Runs: their notes, what they were made of, and who may write."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from pathlib import Path

import pytest

from stnclf._utils import run as module
from stnclf._utils.lock import LockedError, part_of_run
from stnclf._utils.run import (
    Run,
    check_out,
    new_only,
    read_header,
    read_sidecar,
    write_sidecar,
)

RUN = {"command": "scan", "labels": ["a"]}
OTHER = {"command": "scan", "labels": ["b"]}


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "INTERVAL", 0.0)
    return str(tmp_path / "a.csv")


def sidecar_of(out):
    return lambda: read_sidecar(out)


def end(out, error, *notes):
    """End a run with an error after some notes."""
    with contextlib.suppress(type(error)), Run(out, RUN, False) as run:
        for note in notes:
            run.note(note)
        raise error


def test_notes_come_back_and_what_ends_early_is_kept(out):
    end(out, KeyboardInterrupt(), [1, "x"], {"y": 2.5})
    assert read_header(out) == RUN
    with Run(out, RUN, True) as again:
        assert again.notes == [[1, "x"], {"y": 2.5}]


def test_bad_input_leaves_nothing(out, tmp_path):
    end(out, ValueError("bad"), 1)
    assert os.listdir(tmp_path) == []


def test_a_second_run_is_refused_and_changes_nothing(out):
    with Run(out, RUN, False) as first:
        first.note(1)
        before = Path(f"{out}.progress").read_bytes()
        for resume in (True, False):
            with pytest.raises(LockedError, match="is being written by process"):
                Run(out, RUN, resume)
        assert Path(f"{out}.progress").read_bytes() == before
        first.note(2)
        assert len(Path(f"{out}.progress").read_bytes().splitlines()) == 3


def test_a_run_that_lost_its_lock_writes_nothing_more(out, tmp_path):
    with part_of_run("one"):
        lost = Run(out, RUN, False)
        lost.note(1)
        with Run(out, RUN, False) as second:  # the same job, on another worker
            assert second.notes == [1]
            second.note(2)
            with pytest.raises(LockedError, match="has its lock"):
                lost.note(9)
            with pytest.raises(LockedError, match="has its lock"):
                lost.finish(b"lost")
            lost.close()
            assert not os.path.exists(out)
            second.finish(b"text")
        # A job that is given once more after it was done is done.
        with Run(out, RUN, False, sidecar_of(out)) as third:
            assert third.complete
    assert Path(out).read_bytes() == b"text"
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "a.csv.json"]
    with Run(out, RUN, False, sidecar_of(out)) as anew:  # another run begins anew
        assert not anew.complete


def test_what_was_finished_meanwhile_is_not_replaced(out):
    Path(out).write_bytes(b"of another run")
    with new_only(), pytest.raises(FileExistsError, match=r"a\.csv' was written by another run"):
        Run(out, RUN, False)
    assert not os.path.exists(f"{out}.lock")
    with new_only(False), Run(out, RUN, False):
        pass


def test_another_run_is_refused_and_its_notes_stay(out):
    with Run(out, RUN, False) as first:
        first.note(1)
    before = Path(f"{out}.progress").read_bytes()
    with pytest.raises(ValueError, match=r'begun with another labels \(was \["a"\], is \["b"\]\)'):
        Run(out, OTHER, True)
    assert Path(f"{out}.progress").read_bytes() == before
    assert not os.path.exists(f"{out}.lock")


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_permissions_and_links_stay(tmp_path):
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "real.csv", tmp_path / "link.csv"
    real.write_bytes(b"old")
    real.chmod(0o600)
    link.symlink_to("far/real.csv")
    out = check_out(link, False)
    assert out == str(real)
    with Run(out, RUN, False) as run:
        run.note(1)
        for name in os.listdir(tmp_path / "far"):
            assert stat.S_IMODE((tmp_path / "far" / name).stat().st_mode) == 0o600, name
        run.finish(b"new")
    assert link.is_symlink()
    assert (real.read_bytes(), stat.S_IMODE(real.stat().st_mode)) == (b"new", 0o600)


def test_the_sidecar_says_what_and_of_which_content(out):
    with Run(out, RUN, False) as run:
        run.finish(b"text", {"skipped": 3})
    found = json.loads(Path(f"{out}.json").read_text())
    assert (found["run"], found["skipped"]) == (RUN, 3)
    assert read_sidecar(out) == RUN
    Path(out).write_bytes(b"changed")
    assert read_sidecar(out) is None
    assert read_sidecar(out, whole=True) == {}


def test_in_memory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Run(None, None, False) as run:
        run.note(1)
        run.check()
        run.write(b"x")
        run.finish(b"x")
    assert os.listdir(tmp_path) == []


def test_a_sidecar_is_of_one_content(tmp_path):
    out = str(tmp_path / "model")
    with open(out, "wb") as file:
        file.write(b"weights")
    write_sidecar(out, {"patches": {"size": 3}})
    assert read_sidecar(out) == {"patches": {"size": 3}}
    with open(out, "wb") as file:
        file.write(b"others")
    assert read_sidecar(out) is None
