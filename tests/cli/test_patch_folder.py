"""Folders of patches: only those are removed, and permissions stay."""

from __future__ import annotations

import stat

import click
import numpy as np
import pytest

from stnclf.cli.patch_folder import (
    check_ours,
    describe_slides,
    keep_permissions,
    make_folder,
    put_in_place,
    remove_patches,
)
from stnclf.cli.patch_set import load_patches, save_others


def test_only_patches_are_removed(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    for name in ("X.npy", "patches.json", "X.npy.part"):
        (folder / name).touch()
    check_ours(folder)
    (folder / "thesis.doc").touch()
    with pytest.raises(click.BadParameter, match=r"other files \('thesis\.doc'\)"):
        check_ours(folder)
    (folder / "thesis.doc").unlink()
    remove_patches(folder)
    assert not folder.exists()
    remove_patches(tmp_path / "none.npz")  # nothing there, nothing to do


def test_what_replaces_has_the_same_permissions(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir(0o750)
    (old / "y.npy").touch(0o640)
    make_folder(new, old)
    assert stat.S_IMODE(new.stat().st_mode) & 0o027 == 0o750 & 0o027
    for name in ("y.npy", "X.npy"):
        (new / name).touch(0o644)
    keep_permissions(new, old)
    assert stat.S_IMODE((new / "y.npy").stat().st_mode) == 0o640
    assert stat.S_IMODE((new / "X.npy").stat().st_mode) & 0o600 == 0o600


def test_slides_that_are_not_there_are_no_error_yet(tmp_path):
    (tmp_path / "a.png").write_bytes(b"pixels")
    found = describe_slides(tmp_path, ["a.png", "b.png", "../c.png", None])
    assert list(found) == ["a.png"]


class Watched:
    """Stands for a run; says what was there when it was asked, and when it was over."""

    def __init__(self, out):
        self.out, self.said = out, []

    def check(self):
        self.said.append(("check", self.out.exists()))

    def forget(self):
        self.said.append(("forget", self.out.exists()))


@pytest.mark.parametrize("name", ["p", "p.npz"])
def test_what_is_whole_gets_its_name_after_a_last_look(name, tmp_path):
    out, work = tmp_path / name, tmp_path / "work"
    work.mkdir()
    X = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.save(work / "X.npy", X)
    save_others(work, np.array(["a", "b"]), np.zeros((2, 2)), np.array(["s", "t"]), {"size": 3})
    run = Watched(out)
    put_in_place(work, out, run)
    assert run.said == [("check", False), ("forget", True)]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert load_patches(out).X.tolist() == X.tolist()
