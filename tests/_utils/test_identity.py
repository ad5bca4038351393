"""What a result depends on: equal for equal content, and different for any other."""

from __future__ import annotations

import errno
import io
import os
import shutil

import numpy as np
import pytest

from stnclf._utils import identity
from stnclf._utils.identity import (
    check_same_run,
    describe_file,
    describe_pixels,
    describe_source,
    differences,
    run_identity,
)


def test_small_files_are_their_content(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    one = describe_file(tmp_path / "a")
    os.utime(tmp_path / "a", ns=(1, 1))
    shutil.copy(tmp_path / "a", tmp_path / "b")
    assert describe_file(tmp_path / "a") == one == describe_file(tmp_path / "b")
    assert one["size"] == 10
    (tmp_path / "b").write_bytes(b"0123456798")  # of the same size
    assert describe_file(tmp_path / "b") != one


def test_large_files_are_their_time_head_tail_and_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "SMALL", 1000)
    monkeypatch.setattr(identity, "_BLOCK", 10)
    monkeypatch.setattr(identity, "_N_BLOCKS", 5)
    path, content = tmp_path / "a", bytearray(2010)

    def described():
        path.write_bytes(content)
        os.utime(path, ns=(7, 7))
        return describe_file(path)

    one = described()
    assert one["mtime_ns"] == 7
    # Blocks begin at 0, 500, 1000, 1500 and 2000.
    for place in (0, 9, 505, 1500, 2009):
        content[place] = 1
        assert described() != one
        content[place] = 0
    assert described() == one
    content[700] = 1  # is seen by the time of the change alone
    assert described() == one
    os.utime(path, ns=(8, 8))
    assert describe_file(path) != one


def test_folders_are_the_names_and_contents_of_their_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    one = describe_file(tmp_path)
    assert one["files"]["number"] == 2
    (tmp_path / "b").rename(tmp_path / "c")
    assert describe_file(tmp_path) != one
    (tmp_path / "c").rename(tmp_path / "b")
    assert describe_file(tmp_path) == one
    (tmp_path / "sub" / "a").write_bytes(b"c")
    assert describe_file(tmp_path) != one


def test_folders_are_followed_through_links_and_each_once(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_bytes(b"a")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "one").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "round").symlink_to(tmp_path / "linked")
    before = describe_file(tmp_path / "linked")
    assert before["files"]["number"] == 1
    (tmp_path / "real" / "a").write_bytes(b"b")
    assert describe_file(tmp_path / "linked") != before


@pytest.mark.parametrize(
    ("slide", "part"), [("x.mrxs", "x/Data0001.dat"), ("x.vms", "y.jpg"), ("x.dcm", "z.dcm")]
)
def test_a_slide_is_all_of_its_files(tmp_path, slide, part):
    (tmp_path / "x").mkdir()
    for name in (slide, part):
        (tmp_path / name).write_bytes(b"1")
    one = describe_file(tmp_path / slide)
    (tmp_path / "x.csv").write_bytes(b"a result beside it")
    assert describe_file(tmp_path / slide) == one
    (tmp_path / part).write_bytes(b"2")
    assert describe_file(tmp_path / slide) != one


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no fifos")
def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "p")
    with pytest.raises(OSError, match="no regular file"):
        describe_file(tmp_path / "p")


def test_arrays_are_their_pixels():
    a = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert describe_source(a) == describe_pixels(np.asfortranarray(a))
    assert describe_pixels(a) != describe_pixels(a.reshape(4, 2, 3))
    assert describe_pixels(a) != describe_pixels(a[::-1])
    assert describe_pixels(a) != describe_pixels(a.view(np.int8))


def test_differences_are_named():
    def made(**changes):
        parts = {
            "model": {"sha256": "1"},
            "slides": {"a.svs": {"sha256": "2"}, "b.svs": {"sha256": "3"}},
            "options": {"size": 32, "mpp": None},
            "labels": ["x"],
            "min_probability": 0.5,
        }
        return run_identity("scan", "1.0", **{**parts, **changes})

    one = made()
    assert differences(one, made()) == []
    assert differences(one, made(model={"sha256": "9"})) == ["model"]
    other = {"a.svs": {"sha256": "2"}, "b.svs": {"sha256": "9"}}
    assert differences(one, made(slides=other)) == ["slides ('b.svs')"]
    assert differences(one, made(slides={"a.svs": {"sha256": "2"}})) == ["slides ('b.svs')"]
    assert differences(one, made(options={"size": 32, "mpp": 0.5})) == [
        "options ('mpp': was null, is 0.5)"
    ]
    assert differences(one, made(labels=None, min_probability=0.6)) == [
        'labels (was ["x"], is null)',
        "min probability (was 0.5, is 0.6)",
    ]
    assert differences(one, made(more=1)) == ["more (was null, is 1)"]
    many = made(labels=[f"label {i}" for i in range(40)])
    assert differences(one, many) == ["labels (40 of 40)"]
    with pytest.raises(ValueError, match=r"^out: 'a' was begun with another model; resume with"):
        check_same_run("a", one, made(model={"sha256": "9"}))
    with pytest.raises(ValueError, match="a run that did not note what it is made of"):
        check_same_run("a", {"fingerprint": "x"}, one)


@pytest.fixture
def disk(monkeypatch):
    """A disk that fails so often where a byte is read; what is waited is listed."""
    state = {"byte": 1500, "left": 0, "waits": []}

    class File(io.FileIO):
        def readinto(self, buffer):
            if self.tell() <= state["byte"] < self.tell() + len(buffer) and state["left"]:
                state["left"] -= 1
                raise OSError(errno.EIO, "the disk is away")
            return super().readinto(buffer)

    monkeypatch.setattr(identity, "_sleep", state["waits"].append)
    monkeypatch.setattr(identity, "open", lambda *_: io.BufferedReader(File(_[0]), 1), False)
    return state


def test_a_passing_error_costs_a_wait(tmp_path, disk):
    (tmp_path / "a").write_bytes(bytes(range(250)) * 8)
    one = describe_file(tmp_path / "a")
    disk["left"] = 3
    assert describe_file(tmp_path / "a") == one
    assert disk["waits"] == [0.1, 0.5, 2.0]


@pytest.mark.parametrize("is_large", [False, True])
def test_what_cannot_be_read_leaves_size_and_time(tmp_path, disk, monkeypatch, is_large):
    if is_large:
        monkeypatch.setattr(identity, "SMALL", 1000)
        monkeypatch.setattr(identity, "_BLOCK", 10)
        monkeypatch.setattr(identity, "_N_BLOCKS", 5)
        disk["byte"] = 1495  # blocks begin at 0, 497, 995, 1492 and 1990
    path = tmp_path / "a"
    path.write_bytes(bytes(range(250)) * 8)
    os.utime(path, ns=(7, 7))
    mended = describe_file(path)
    disk["left"] = 10**9
    broken = describe_file(path)
    disk["left"] = 0
    assert broken == {"size": 2000, "mtime_ns": 7, "unread": True}
    path.write_bytes(bytes(1999))
    other = describe_file(path)
    for a, b in ((broken, mended), (mended, broken), (broken, dict(broken))):
        assert differences({"slides": {"a": a}}, {"slides": {"a": b}}) == []
        assert differences({"slide": a}, {"slide": b}) == []
    assert differences({"slides": {"a": broken}}, {"slides": {"a": other}}) == ["slides ('a')"]
    assert differences({"slide": other}, {"slide": broken}) == ["slide"]
    late = {**broken, "mtime_ns": 8}
    assert differences({"slide": late}, {"slide": broken}) == ["slide"]
    # All slides must be there, whatever could be read.
    more = {"slides": {"a": broken, "b": mended}}
    assert differences({"slides": {"a": broken}}, more) == ["slides ('b')"]
    assert differences({"slides": {"a": mended}}, more) == ["slides ('b')"]
