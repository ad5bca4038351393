"""One writer for a file: who is alive is waited for, who is gone is not."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import stnclf
from stnclf._utils import lock as module
from stnclf._utils.lock import Lock, LockedError, current_run, part_of_run

HOLDER = """
import sys, time
from stnclf._utils.lock import Lock
Lock(sys.argv[1])
print("ready", flush=True)
time.sleep(100)
"""


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "a.csv")


@pytest.fixture
def other(out):
    """Another process that has the lock."""
    environment = {**os.environ, "PYTHONPATH": str(Path(stnclf.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, out], env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_of_two_in_one_process_one_has_it(out, tmp_path):
    first = Lock(out)
    assert os.listdir(tmp_path) == ["a.csv.lock"]
    with pytest.raises(LockedError, match=rf"a\.csv' is being written by process {os.getpid()} on"):
        Lock(out)
    first.check()
    first.release()
    assert os.listdir(tmp_path) == []
    Lock(out).release()


def test_who_is_alive_is_waited_for_and_who_was_killed_is_not(out, other, tmp_path):
    with pytest.raises(LockedError, match=f"is being written by process {other.pid} on"):
        Lock(out)
    other.send_signal(signal.SIGKILL)
    # It is gone whether or not its parent has taken note.
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    taken = Lock(out)
    taken.check()
    assert os.listdir(tmp_path) == ["a.csv.lock"]
    assert json.loads(Path(taken.path).read_text())["process"] == os.getpid()


def test_a_number_that_another_process_has_now_is_no_owner(out, other):
    path = Path(f"{out}.lock")
    owner = json.loads(path.read_text())
    if owner["started"] is None:
        pytest.skip("the system does not tell when a process was started")
    path.write_text(json.dumps({**owner, "started": owner["started"] - 1}))
    Lock(out).release()


def test_another_machine_says_what_to_remove(out, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "node7")
        theirs = Lock(out)
    words = rf"process {os.getpid()} on 'node7', another machine.* remove '.*a\.csv\.lock'"
    with pytest.raises(LockedError, match=words):
        Lock(out)
    theirs.check()
    os.remove(f"{out}.lock")
    with pytest.raises(LockedError, match="was removed") as caught:
        theirs.check()
    assert caught.value.filename == out
    assert os.listdir(tmp_path) == []


def test_jobs_of_one_run_take_over_from_each_other(out, monkeypatch):
    with part_of_run("one"):
        assert current_run() == "one"
        with monkeypatch.context() as patch:
            patch.setattr(socket, "gethostname", lambda: "node7")
            lost = Lock(out)
        second = Lock(out)
    assert current_run() is None
    with pytest.raises(LockedError, match=rf"process {os.getpid()} on .* has its lock"):
        lost.check()
    lost.release()  # of what is no longer its own
    second.check()
    with part_of_run("two"), pytest.raises(LockedError, match="being written"):
        Lock(out)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_lock_that_names_nobody_is_not_taken(out, content):
    Path(f"{out}.lock").write_bytes(content)
    with pytest.raises(LockedError, match=r"names no process.* remove"):
        Lock(out)


def test_without_hard_links_it_is_the_same(out, monkeypatch, tmp_path):
    def link(*names):
        raise OSError(95, "not supported")

    monkeypatch.setattr(module.os, "link", link)
    first = Lock(out)
    with pytest.raises(LockedError):
        Lock(out)
    first.release()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_lock_says_no_more_than_the_file_that_it_is_for(out):
    Path(out).touch(mode=0o600)
    lock = Lock(out)
    assert os.stat(lock.path).st_mode & 0o077 == 0


def test_no_folder_names_the_file(tmp_path):
    with pytest.raises(OSError, match="could not be written: No such file") as caught:
        Lock(str(tmp_path / "no" / "a.csv"))
    assert caught.value.filename == str(tmp_path / "no" / "a.csv")
