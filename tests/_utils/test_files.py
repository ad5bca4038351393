"""Files are written as a whole or not at all."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from stnclf._utils.files import write_atomically


def test_new_files_replaced_files_and_names_of_all_types(tmp_path):
    write_atomically(tmp_path / "a", b"first")
    write_atomically(str(tmp_path / "a"), b"second, longer")
    write_atomically(os.fsencode(tmp_path / "a"), b"third")
    assert (tmp_path / "a").read_bytes() == b"third"
    assert os.listdir(tmp_path) == ["a"]


def test_permissions_are_those_of_any_new_file_or_of_the_one_before(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "new", b"x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "plain").chmod(0o640)
    write_atomically(tmp_path / "plain", b"x")
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("folder/real")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "real").read_bytes() == b"new"


@pytest.mark.parametrize("place", ["folder", "missing/file", "file/below"])
def test_impossible_places_are_named(tmp_path, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(OSError, match="could not be written") as caught:
        write_atomically(tmp_path / place, b"x")
    assert caught.value.filename == str(tmp_path / place)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("error", [PermissionError(13, "no"), KeyboardInterrupt()])
def test_a_failure_on_the_way_leaves_the_earlier_file_alone(tmp_path, monkeypatch, function, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*args):
        raise error

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(type(error)) as caught:
        write_atomically(path, b"new")
    if isinstance(error, OSError):
        assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


PROGRAM = """
import resource, sys
from stnclf._utils.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_atomically(sys.argv[1], bytes(20_000))
except OSError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_earlier_file_alone(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", PROGRAM, path]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert "could not be written" in done.stdout
    assert str(path) in done.stdout
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]
