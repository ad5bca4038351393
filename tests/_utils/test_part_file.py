"""Arrays that are filled in part: in memory, on disk, after a crash."""

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from stnclf._utils import run
from stnclf._utils.part_file import PartFile
from stnclf._utils.run import read_header

SHAPE = (6, 2, 2, 3)
RUN = {"command": "extract_patches", "slides": {"a": {"sha256": "abc"}}, "seed": 7}


def nothing():
    pass


def fill(part, units, value=None):
    for unit in units:
        part.X[unit] = unit + 1 if value is None else value
        part.mark(unit, nothing)


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "X.npy")


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(run, "INTERVAL", 0.0)


def crash(part):
    """Forget about a run as a killed process does: nothing more is written."""
    part.X._mmap.flush()  # what is in the pages of a killed process reaches the disk anyway
    part.close()  # the lock of a process that is gone counts for nothing
    return {name: Path(name).read_bytes() for name in (part._part, part._path)}


def test_in_memory():
    part = PartFile(None, SHAPE, 6, RUN, False)
    assert part.X.shape == SHAPE
    assert part.X.dtype == np.uint8
    assert part.done == set()
    fill(part, range(6))
    assert part.finish() is part.X


def test_the_file_appears_when_it_is_complete(out, tmp_path):
    part = PartFile(out, SHAPE, 6, RUN, False)
    fill(part, range(6))
    assert not os.path.exists(out)
    X = part.finish()
    part.close()
    assert os.listdir(tmp_path) == ["X.npy"]
    assert isinstance(X, np.memmap)
    assert not X.flags.writeable
    np.testing.assert_array_equal(X[:, 0, 0, 0], np.arange(1, 7))
    np.testing.assert_array_equal(np.load(out), X)


def test_what_was_noted_is_not_done_again(out, at_once):
    part = PartFile(out, SHAPE, 6, RUN, False)
    fill(part, [0, 4, 2])
    crash(part)
    assert read_header(out) == RUN
    again = PartFile(out, SHAPE, 6, RUN, True)
    assert again.done == {0, 2, 4}
    fill(again, [1, 3, 5])
    np.testing.assert_array_equal(again.finish()[:, 1, 1, 2], np.arange(1, 7))


def test_what_was_not_noted_yet_is_done_again(out, monkeypatch):
    monkeypatch.setattr(run, "INTERVAL", 1e9)
    part = PartFile(out, SHAPE, 6, RUN, False)
    fill(part, [0, 4, 2])
    crash(part)
    again = PartFile(out, SHAPE, 6, RUN, True)
    assert again.done == set()


@pytest.mark.parametrize("torn", [b"1", b"3\n1"])
def test_a_torn_line_is_forgotten(out, at_once, torn):
    part = PartFile(out, SHAPE, 16, RUN, False)
    fill(part, [0])
    crash(part)
    with open(f"{out}.progress", "ab") as file:
        file.write(torn)
    again = PartFile(out, SHAPE, 16, RUN, True)
    assert again.done == {0, 3} if b"\n" in torn else {0}
    # Had the torn 1 stayed, this would be 15.
    fill(again, [5])
    crash(again)
    assert PartFile(out, SHAPE, 16, RUN, True).done == again.done | {5}


def test_pixels_are_written_before_they_are_noted(out, at_once, monkeypatch):
    part = PartFile(out, SHAPE, 6, RUN, False)
    states, flush = [], np.memmap.flush

    def spy(self):
        states.append(Path(f"{out}.progress").read_text())
        flush(self)

    monkeypatch.setattr(np.memmap, "flush", spy)
    fill(part, [0, 1])
    assert [state.count("\n") for state in states] == [1, 2]


def test_killed_just_after_the_file_was_put_in_its_place(out, at_once, tmp_path, monkeypatch):
    part = PartFile(out, SHAPE, 6, RUN, False)
    fill(part, range(6))
    monkeypatch.setattr(os, "remove", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        part.finish()
    monkeypatch.undo()
    part.close()
    assert sorted(os.listdir(tmp_path)) == ["X.npy", "X.npy.progress"]
    before = os.stat(out).st_ino
    again = PartFile(out, SHAPE, 6, RUN, True)
    assert again.done == set(range(6))
    np.testing.assert_array_equal(again.finish()[:, 1, 1, 2], np.arange(1, 7))
    again.close()
    assert os.listdir(tmp_path) == ["X.npy"]
    assert os.stat(out).st_ino == before


def test_an_older_result_is_not_taken_for_an_unfinished_one(out, at_once):
    np.save(out, np.full(SHAPE, 99, np.uint8))
    part = PartFile(out, SHAPE, 6, RUN, False)
    fill(part, [0, 1])
    crash(part)
    os.remove(f"{out}.part")
    assert PartFile(out, SHAPE, 6, RUN, True).done == set()


@pytest.mark.parametrize("spoil", ["short", "shape", "missing"])
def test_a_spoilt_array_begins_anew(out, at_once, spoil):
    part = PartFile(out, SHAPE, 6, RUN, False)
    fill(part, [0, 1])
    crash(part)
    path = f"{out}.part"
    if spoil == "short":
        os.truncate(path, 50)
    elif spoil == "missing":
        os.remove(path)
    else:
        with open(path, "wb") as file:
            np.save(file, np.zeros((6, 2, 3, 3), np.uint8))
    again = PartFile(out, SHAPE, 6, RUN, True)
    assert again.done == set()
    fill(again, range(6))
    np.testing.assert_array_equal(again.finish()[:, 0, 0, 0], np.arange(1, 7))


def test_another_run_is_refused_and_left_alone(out, at_once):
    part = PartFile(out, SHAPE, 6, RUN, False)
    fill(part, [0, 1])
    before = crash(part)
    with pytest.raises(
        ValueError, match=r"out: .*X\.npy' was begun with another seed \(was 7, is 8\); resume"
    ):
        PartFile(out, SHAPE, 6, {**RUN, "seed": 8}, True)
    assert crash(part) == before


def test_without_resume_it_begins_anew(out, at_once):
    part = PartFile(out, SHAPE, 6, RUN, False)
    fill(part, [0, 1], 50)
    crash(part)
    again = PartFile(out, SHAPE, 6, RUN, False)
    assert again.done == set()
    assert not again.X.any()


@pytest.mark.parametrize("text", ["", "{", '{"a": 1', "[1]\n", "\xff\n", '{"a": 1}'])
def test_no_header_in_what_is_none(out, text):
    assert read_header(out) is None
    with open(f"{out}.progress", "w", encoding="latin-1") as file:
        file.write(text)
    assert read_header(out) is None
    with open(f"{out}.progress", "w") as file:
        file.write(json.dumps(RUN) + "\n3\n")
    assert read_header(out) == RUN


def test_discard_leaves_nothing(out, tmp_path, at_once):
    part = PartFile(out, SHAPE, 6, RUN, False)
    fill(part, [0])
    part.discard()
    part.close()
    assert not os.listdir(tmp_path)
    PartFile(None, SHAPE, 6, RUN, False).discard()


def test_a_full_disk_is_an_error_before_anything_is_done(out, tmp_path, monkeypatch):
    if not hasattr(os, "posix_fallocate"):
        pytest.skip("the system cannot reserve room for files")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"could not be written: No space left.*'.*X\.npy'"):
        PartFile(out, SHAPE, 6, RUN, False)
    assert not os.listdir(tmp_path)


def test_an_error_of_the_system_names_the_file(out, tmp_path):
    resource = pytest.importorskip("resource", reason="there are no limits of file sizes")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"could not be written: .*'.*X\.npy'"):
            PartFile(out, (300, 10, 10, 3), 6, RUN, False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not os.listdir(tmp_path)


def test_threads_may_mark(out, at_once):
    part = PartFile(out, SHAPE, 400, RUN, False)
    count = [0]

    def report():
        count[0] += 1

    def work(units):
        for unit in units:
            part.mark(unit, report)

    threads = [threading.Thread(target=work, args=(range(i, 400, 8),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count == [400]
    crash(part)
    assert PartFile(out, SHAPE, 400, RUN, True).done == set(range(400))
