"""Folders of patches: only those are removed, and permissions stay."""

from __future__ import annotations

import stat

import click
import pytest

from stnclf.cli.patch_folder import (
    check_ours,
    describe_slides,
    keep_permissions,
    make_folder,
    remove_patches,
)


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
