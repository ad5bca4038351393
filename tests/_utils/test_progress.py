"""What a scan has found so far: in memory, on the disk, after a crash."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import stnclf
from stnclf._utils import run
from stnclf._utils.progress import Progress

RUN = {"command": "scan", "model": {"sha256": "abc"}}
OTHER = {"command": "scan", "model": {"sha256": "xyz"}}
CELLS = {0: [[1.25, 2.0, 1.0, 0.1, 0.9]], 1: [], 4: [[0.1 + 0.2, 1e-9, 0.0, 1.0, 0.0]] * 3}


def nothing():
    pass


def filled(progress, numbers=CELLS):
    for number in numbers:
        progress.add(number, np.array(CELLS[number]).reshape(-1, 5), nothing)
    return progress


def closed(progress):
    """A run that ended before it was complete, as by a crash that left no lock."""
    progress.close()
    return progress


def as_lists(progress):
    progress.close()
    return {number: cells.reshape(-1, 5).tolist() for number, cells in progress.in_order()}


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "a.csv")


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(run, "INTERVAL", 0.0)


def test_in_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    progress = filled(Progress(None, RUN, False), [4, 0, 1])
    assert list(as_lists(progress)) == [0, 1, 4]
    assert as_lists(progress) == CELLS
    progress.save()
    progress.finish(b"text")
    assert os.listdir(tmp_path) == []


def test_reports_each_tile(out):
    calls = []
    Progress(out, RUN, False).add(3, np.empty((0, 5)), lambda: calls.append(1))
    assert calls == [1]


def test_the_file_appears_when_it_is_complete(out, tmp_path):
    progress = filled(Progress(out, RUN, False))
    assert sorted(os.listdir(tmp_path)) == ["a.csv.lock", "a.csv.progress"]
    progress.finish(b"text")
    progress.close()
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "a.csv.json"]
    assert Path(out).read_bytes() == b"text"


@pytest.mark.usefixtures("at_once")
def test_a_run_goes_on_to_the_last_digit(out):
    closed(filled(Progress(out, RUN, False)))
    again = Progress(out, RUN, True)
    assert sorted(again.cells) == sorted(CELLS)
    again.add(2, np.array([[9.0, 8.0, 0.0, 0.5, 0.5]]), nothing)
    again.close()
    assert list(as_lists(Progress(out, RUN, True))) == [0, 1, 2, 4]


def test_what_is_not_saved_is_done_again(out):
    closed(filled(Progress(out, RUN, False)))  # a few microseconds, nothing is written yet
    assert as_lists(Progress(out, RUN, True)) == {}


def test_save_keeps_what_was_added(out):
    progress = filled(Progress(out, RUN, False))
    progress.save()
    progress.close()
    assert as_lists(Progress(out, RUN, True)) == CELLS


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("lost", [1, 5, 40, 70, 100])
def test_a_torn_line_is_left_out(out, lost):
    closed(filled(Progress(out, RUN, False)))
    path = Path(f"{out}.progress")
    path.write_bytes(path.read_bytes()[:-lost])
    kept = as_lists(Progress(out, RUN, True))
    assert len(kept) < 3
    assert kept == {number: CELLS[number] for number in kept}
    closed(filled(Progress(out, RUN, True), CELLS.keys() - kept.keys()))
    assert as_lists(Progress(out, RUN, True)) == CELLS
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_another_run_is_refused(out):
    closed(Progress(out, RUN, False))
    with pytest.raises(ValueError, match=r"a\.csv' was begun with another model; resume with"):
        Progress(out, OTHER, True)
    assert as_lists(Progress(out, OTHER, False)) == {}


def test_a_finished_table_is_known_by_what_it_was_made_of(out):
    with filled(Progress(out, RUN, False)) as first:
        first.finish(b"text")
    with Progress(out, RUN, True) as again:
        assert again.complete
    with pytest.raises(ValueError, match=r"a\.csv' is complete, but was made with another model"):
        Progress(out, OTHER, True)
    Path(out).write_bytes(b"another text")  # of which a.csv.json says nothing
    with pytest.raises(ValueError, match=r"complete, but was made by a run that did not note"):
        Progress(out, RUN, True)
    with Progress(out, OTHER, False) as anew:
        assert not anew.complete


FULL = """
    import resource, sys
    import numpy as np
    from stnclf._utils.progress import Progress

    out, limit = sys.argv[1], int(sys.argv[2])
    progress = Progress(out, {"command": "scan", "model": {"sha256": "abc"}}, False)
    progress.add(0, np.full((3, 5), 0.25), lambda: None)
    progress.save()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    for number in range(1, 40):
        progress.add(number, np.full((3, 5), 0.25), lambda: None)
    try:
        progress.save()
        progress.finish(b"x" * 10_000)
    except OSError as error:
        print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="the system has no limits of file sizes")
@pytest.mark.parametrize(("limit", "file", "n_tiles"), [(1000, ".progress", 1), (9000, "", 40)])
def test_a_full_disk_leaves_what_was_there(out, tmp_path, limit, file, n_tiles):
    Path(out).write_bytes(b"before")
    environment = {**os.environ, "PYTHONPATH": str(Path(stnclf.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), out, str(limit)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert f"could not be written: File too large: '{out}{file}'" in done.stdout
    left = {"a.csv", "a.csv.progress", "a.csv.lock"}
    assert left <= set(os.listdir(tmp_path)) <= left | {"a.csv.json"}
    assert Path(out).read_bytes() == b"before"
    # Nothing torn is left: the run goes on.
    assert Path(f"{out}.progress").read_bytes().endswith(b"\n")
    assert list(as_lists(Progress(out, RUN, True))) == list(range(n_tiles))


@pytest.mark.usefixtures("at_once")
def test_without_resume_a_run_begins_anew(out):
    closed(filled(Progress(out, RUN, False)))
    assert as_lists(Progress(out, RUN, False)) == {}


def test_discard_leaves_nothing(out, tmp_path):
    Path(out).write_bytes(b"before")
    progress = filled(Progress(out, RUN, False))
    progress.discard()
    progress.save()
    progress.discard()
    progress.close()
    assert os.listdir(tmp_path) == ["a.csv"]
    assert Path(out).read_bytes() == b"before"
