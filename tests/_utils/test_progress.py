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
from stnclf._utils import progress
from stnclf._utils.progress import Progress

RUN = {"fingerprint": "abc"}
CELLS = {0: [[1.25, 2.0, 1.0, 0.1, 0.9]], 1: [], 4: [[0.1 + 0.2, 1e-9, 0.0, 1.0, 0.0]] * 3}


def nothing():
    pass


def filled(progress, numbers=CELLS):
    for number in numbers:
        progress.add(number, np.array(CELLS[number]).reshape(-1, 5), nothing)
    return progress


def as_lists(progress):
    return {number: cells.reshape(-1, 5).tolist() for number, cells in progress.in_order()}


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "a.csv")


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)


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
    assert os.listdir(tmp_path) == ["a.csv.progress"]
    progress.finish(b"text")
    assert os.listdir(tmp_path) == ["a.csv"]
    assert Path(out).read_bytes() == b"text"


@pytest.mark.usefixtures("at_once")
def test_a_run_goes_on_to_the_last_digit(out):
    filled(Progress(out, RUN, False))
    again = Progress(out, RUN, True)
    assert as_lists(again) == CELLS
    again.add(2, np.array([[9.0, 8.0, 0.0, 0.5, 0.5]]), nothing)
    assert list(as_lists(Progress(out, RUN, True))) == [0, 1, 2, 4]


def test_what_is_not_saved_is_done_again(out):
    filled(Progress(out, RUN, False))  # a few microseconds, nothing is written yet
    assert as_lists(Progress(out, RUN, True)) == {}


def test_save_keeps_what_was_added(out):
    filled(Progress(out, RUN, False)).save()
    assert as_lists(Progress(out, RUN, True)) == CELLS


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("lost", [1, 5, 40, 70, 100])
def test_a_torn_line_is_left_out(out, lost):
    filled(Progress(out, RUN, False))
    path = Path(f"{out}.progress")
    path.write_bytes(path.read_bytes()[:-lost])
    again = Progress(out, RUN, True)
    kept = as_lists(again)
    assert len(kept) < 3
    assert kept == {number: CELLS[number] for number in kept}
    filled(again, CELLS.keys() - kept.keys())
    assert as_lists(Progress(out, RUN, True)) == CELLS
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_another_run_is_refused(out):
    Progress(out, RUN, False)
    with pytest.raises(ValueError, match=r"a\.csv' was begun with another slide, model or"):
        Progress(out, {"fingerprint": "xyz"}, True)
    assert as_lists(Progress(out, {"fingerprint": "xyz"}, False)) == {}


FULL = """
    import resource, sys
    import numpy as np
    from stnclf._utils.progress import Progress

    out, limit = sys.argv[1], int(sys.argv[2])
    progress = Progress(out, {"fingerprint": "abc"}, False)
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
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "a.csv.progress"]
    assert Path(out).read_bytes() == b"before"
    # Nothing torn is left: the run goes on.
    assert Path(f"{out}.progress").read_bytes().endswith(b"\n")
    assert list(as_lists(Progress(out, RUN, True))) == list(range(n_tiles))


@pytest.mark.usefixtures("at_once")
def test_without_resume_a_run_begins_anew(out):
    filled(Progress(out, RUN, False))
    assert as_lists(Progress(out, RUN, False)) == {}


def test_discard_leaves_nothing(out, tmp_path):
    Path(out).write_bytes(b"before")
    progress = filled(Progress(out, RUN, False))
    progress.discard()
    progress.save()
    progress.discard()
    assert os.listdir(tmp_path) == ["a.csv"]
    assert Path(out).read_bytes() == b"before"
