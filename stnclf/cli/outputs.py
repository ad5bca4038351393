"""Where results go: what is there is not replaced unasked, and what is unfinished is resumed."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .._utils.run import new_only
from .messages import say

__all__ = [
    "PAGES",
    "beside",
    "check_output",
    "pinned_options",
    "replacing_only_if",
    "say_complete",
    "target",
]


#: Endings of pages.
PAGES = (".html", ".htm")


def target(out):
    """Return the absolute name of a result, as text: of a link, that of the file it leads to."""
    return None if out is None else os.path.realpath(out)


def beside(out, ending):
    """Name a file that an unfinished run keeps beside its result."""
    return Path(f"{target(out)}{ending}")


def pinned_options(*free):
    """Return the options of the running command that its result depends on.

    Parameters
    ----------
    *free : str
        Names of parameters that do not count: inputs, whose content does, and what says how to
        run and not what comes of it.

    Returns
    -------
    dict
    """
    params = click.get_current_context().params
    free = {"out", "overwrite", "resume", "progress", "jobs", *free}
    return {name: value for name, value in sorted(params.items()) if name not in free}


def replacing_only_if(allowed):
    """Refuse, for what begins inside, a result that another run has finished meanwhile."""
    return new_only(not allowed)


def say_complete(out):
    """Say that there is nothing to resume."""
    say(f"{out} is complete already, and left as it is")


def check_output(
    out, *, overwrite, resume=False, unfinished=(), option="--out", folder=False, endings=()
):
    """Check, before any work, where a result goes.

    Parameters
    ----------
    out : Path
        The file, or the folder where a command makes one.
    overwrite, resume : bool
        What the user allows.
    unfinished : sequence of path-like, default=()
        What an unfinished run leaves.
    option : str, default="--out"
        Where the name comes from.
    folder : bool, default=False
        Whether a folder may be what is there.
    endings : sequence of str, default=()
        Those that its name may have, "" for none; empty is any.

    Raises
    ------
    click.UsageError
        If nothing may be written there.
    """
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    hint = f"'{option}'"
    if not out.absolute().parent.is_dir():
        raise click.BadParameter(f"the folder of '{out}' does not exist.", param_hint=hint)
    if out.exists() and not out.is_file() and not (folder and out.is_dir()):
        kind = "a folder" if out.is_dir() else "a pipe or device"
        raise click.BadParameter(f"'{out}' is {kind}, wants the name of a file.", param_hint=hint)
    if not folder:
        _refuse_other_roles(out, option)
    if endings and out.suffix.lower() not in endings:
        listed = ", ".join(filter(None, endings))
        raise click.BadParameter(f"'{out}' ends with none of {listed}.", param_hint=hint)
    if overwrite or resume:
        return
    if out.exists():
        raise click.BadParameter(
            f"'{out}' exists; pass --overwrite to replace it.", param_hint=hint
        )
    if any(os.path.lexists(path) for path in unfinished):
        raise click.BadParameter(
            f"'{out}' was begun and not finished; pass --resume to go on with it, or "
            "--overwrite to begin anew.",
            param_hint=hint,
        )


def _refuse_other_roles(out, option):
    """Refuse a file that the running command reads, or writes under another option too."""
    ctx = click.get_current_context(silent=True)
    for param in [] if ctx is None else ctx.command.params:
        value = ctx.params.get(param.name)
        if not isinstance(param.type, click.Path) or option in param.opts or value is None:
            continue
        given = value if isinstance(value, (list, tuple)) else [value]
        if any(os.path.realpath(path) == os.path.realpath(out) for path in given):
            name = param.human_readable_name
            name = name if isinstance(param, click.Argument) else param.opts[-1]
            raise click.BadParameter(
                f"'{out}' is {name} too; wants a file of its own.", param_hint=f"'{option}'"
            )
