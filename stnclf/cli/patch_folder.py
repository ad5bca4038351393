"""Folders of patches while they are made, and the slides that they are cut from."""

from __future__ import annotations

import contextlib
import os
import stat

import click

from .._utils.identity import describe_file
from ..annotations import resolve_image
from .patch_set import FILES, save_npz

__all__ = [
    "check_ours",
    "describe_slides",
    "keep_permissions",
    "make_folder",
    "put_in_place",
    "remove_patches",
]


def describe_slides(root, names):
    """Describe the slides that a table names; what is not there is an error of its own later."""
    found = {}
    for name in sorted({name for name in names if isinstance(name, str)}):
        with contextlib.suppress(OSError, ValueError):
            found[name] = describe_file(resolve_image(root, name))
    return found


def make_folder(work, out):
    """Make a folder that nobody may read who may not read the one that it replaces."""
    mode = stat.S_IMODE(out.stat().st_mode) | stat.S_IRWXU if out.is_dir() else 0o777
    work.mkdir(mode, exist_ok=True)


def keep_permissions(work, out):
    """Set on new patches the permissions of those that they replace."""
    for path in [work, *work.iterdir()] if out.is_dir() else ():
        with contextlib.suppress(OSError):  # it had no such file
            before = out / path.relative_to(work)
            path.chmod(stat.S_IMODE(before.stat().st_mode))


def check_ours(folder):
    """Refuse a folder that holds anything but patches: it is going to be removed."""
    if folder.is_symlink() and not (folder.suffix.lower() == ".npz" and folder.is_file()):
        raise click.BadParameter(f"'{folder}' is a link.", param_hint="'--out'")
    if folder.is_dir():
        endings = ("part", "part.short", "progress", "lock", "skipped.csv")
        known = {*FILES, *(f"X.npy.{ending}" for ending in endings)}
        others = [path.name for path in folder.iterdir() if path.name not in known]
        if others:
            raise click.BadParameter(
                f"'{folder}' is a folder with other files ({sorted(others)[0]!r}).",
                param_hint="'--out'",
            )


def remove_patches(path):
    """Remove patches, if there are any."""
    if path.is_dir():
        for name in path.iterdir():
            name.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def put_in_place(work, out, run):
    """Move a folder of patches that is whole to the name that was asked for, or pack it there.

    Parameters
    ----------
    work : Path
        The folder; it is not there afterwards.
    out : Path
        What it becomes; patches of that name are replaced.
    run : Run
        Asked, right before, whether it still is the one that writes; then it is over.
    """
    if out.suffix.lower() == ".npz":
        save_npz(out, work, run.check)
        remove_patches(work)
    else:
        run.check()
        keep_permissions(work, out)
        remove_patches(out)
        os.replace(work, out)
    run.forget()
