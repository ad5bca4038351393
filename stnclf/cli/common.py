"""What the commands share: errors in one line, options, output files, the cluster."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
import warnings
from pathlib import Path

import click

from ..annotations._table import CORE

__all__ = [
    "Command",
    "Main",
    "about_file",
    "check_jobs",
    "check_output",
    "choose_labels",
    "column_option",
    "debug_option",
    "describe",
    "examples",
    "long_options",
    "on_cluster",
    "out_option",
    "overwrite_option",
    "report",
    "say",
    "shows_progress",
]

#: Arguments that name something which is there, and a file which is there.
EXISTING = click.Path(exists=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_DEBUG = "stnclf.debug"

#: Errors that say what is wrong with the input; others are ours, and their kind is worth a word.
_EXPECTED = (OSError, ValueError, TypeError, ImportError, FloatingPointError)

#: How errors about data begin. What follows names rows and columns itself, but for labels.
_DATA = r"(annotations|detections|table)(: |, )|Input (?=X )|(?=X: |y: |centers: )"

#: Seconds to wait for the scheduler.
_PATIENCE = 10


def say(text):
    """Write a line for people, on standard error: standard output is for data."""
    click.echo(text, err=True)


class Command(click.Command):
    """A command whose errors are one line; with ``--debug`` a traceback goes before it."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.params.append(debug_option())

    def invoke(self, ctx):
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click ends quietly where a pipe was closed
        except Exception as error:
            if ctx.meta.get(_DEBUG):
                raise
            failure = click.ClickException(describe(error, self.params))
            failure.ctx = ctx
            raise failure from error


class Main(click.Group):
    """The group of commands, with exit status 0 (fine), 1 (failed), 2 (wrong use), 130 (Ctrl-C)."""

    command_class = Command

    def main(self, args=None, prog_name="stnclf", **extra):
        """Run a command line and end the process."""
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                code = super().main(args, prog_name, **{**extra, "standalone_mode": False})
            except click.exceptions.NoArgsIsHelpError as error:
                error.show()
                code = error.exit_code
            except click.ClickException as error:
                ctx = getattr(error, "ctx", None)
                where = ctx.command_path if ctx else prog_name
                say(f"{where}: error: {_one_line(error.format_message())}")
                code = error.exit_code
            except click.Abort:
                say(f"{prog_name}: interrupted")
                code = 130
        sys.exit(code if isinstance(code, int) else 0)


def debug_option():
    """Give the option ``--debug``, which every command has and the group too."""

    def keep(ctx, param, value):
        if value:
            ctx.meta[_DEBUG] = True

    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Show where in the program an error came up.",
    )


def describe(error, params=()):
    """Put an error into one line.

    Parameters
    ----------
    error : Exception
        The error.
    params : sequence of click.Parameter, default=()
        Those of the command. A message that begins with the name of one gets its option.

    Returns
    -------
    str
    """
    text = _one_line(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        text = f"there is not enough memory ({text})" if text else "there is not enough memory"
    elif not isinstance(error, _EXPECTED):
        text = f"{type(error).__name__}: {text}; --debug shows where it came up"
    text = re.sub(r"^X\[\d+\], ", "", text)  # an image of a list that the user did not make
    hint = re.search(r"as in columns=\{(.*)\}\.$", text)
    if hint:
        options = re.sub(r"'(\w+)': \.\.\.,?", r"--column \1=NAME", hint[1])
        text = f"{text[: hint.start()]}as in {options}."
    text = text.replace("pass mpp= to Slide, or slide_mpp= to extract_patches", "pass --slide-mpp")
    for param in params:
        option = max(param.opts, key=len)
        if option.startswith("-"):
            text = re.sub(rf"^{param.name}(?=:| must )", option, text)
            text = re.sub(rf"\b{param.name}='(\w+)'", rf"{option} \1", text)
    return text


def report(error, path):
    """Say what went wrong with one of several files, and go on.

    Parameters
    ----------
    error : Exception
        The error.
    path : path-like
        The file, which the line names.
    """
    ctx = click.get_current_context()
    if ctx.meta.get(_DEBUG):
        traceback.print_exception(error)
    text = describe(error, ctx.command.params)
    text = text if str(path) in text else f"{path}: {text}"
    say(f"{ctx.command_path}: error: {text}")


def _one_line(error):
    return " ".join(str(error).split())


def _show_warning(message, category, filename, lineno, file=None, line=None):
    say(f"stnclf: warning: {_one_line(message)}")


@contextlib.contextmanager
def about_file(path):
    """Name the file in errors and warnings about its data; errors about options stay."""
    show = warnings.showwarning

    def named(message, *args, **kwargs):
        show(re.sub(f"^({_DATA})", f"{path}: ", _one_line(message)), *args, **kwargs)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = named
            yield
    except ValueError as error:
        text = _one_line(error)
        about = re.match(_DATA, text)
        if about is None:
            raise
        raise ValueError(f"{path}: {text[about.end() :]}") from error


def examples(*lines):
    """Give the end of a help text: command lines, which are not wrapped."""
    return "\n".join(
        ["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {x}" for x in lines)]
    )


def out_option(text, required=True, **more):
    """Give the option ``--out``."""
    return click.option(
        "-o", "--out", required=required, type=click.Path(path_type=Path), help=text, **more
    )


overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace what is there under the name of --out."
)


def long_options(command):
    """Add what every long command has: ``--overwrite``, ``--resume``, ``--progress``."""
    for option in (
        click.option(
            "--progress/--no-progress",
            default=None,
            help="Show a progress bar.  [default: on a terminal]",
        ),
        click.option(
            "--resume",
            is_flag=True,
            help="Go on with a run that was interrupted; the result is that of one that was not.",
        ),
        overwrite_option,
    ):
        command = option(command)
    return command


def shows_progress(progress):
    """Tell, as 1 or 0, whether to show a progress bar."""
    return int(sys.stderr.isatty() if progress is None else progress)


def check_output(out, *, overwrite, resume=False, unfinished=(), option="--out"):
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

    Returns
    -------
    bool
        Whether there is work to do; not so if a finished result is there that is to be resumed.

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
    begun = any(os.path.lexists(path) for path in unfinished)
    if not overwrite and not resume:
        if out.exists():
            raise click.BadParameter(
                f"'{out}' exists; pass --overwrite to replace it.", param_hint=hint
            )
        if begun:
            raise click.BadParameter(
                f"'{out}' was begun and not finished; pass --resume to go on with it, or "
                "--overwrite to begin anew.",
                param_hint=hint,
            )
    if resume and out.exists() and not begun:
        say(f"{out} is complete already, and left as it is")
        return False
    return True


def check_jobs(ctx, param, value):
    """Check a number of jobs (a callback of click's)."""
    if value == 0:
        raise click.BadParameter("wants a number of jobs, or -1 for one a processor.")
    return value


def _columns(ctx, param, values):
    """Read ``NAME=COLUMN``, a callback of click's; None where there is none."""
    columns = {}
    for text in values:
        name, _, column = text.partition("=")
        if name not in CORE or not column:
            raise click.BadParameter(f"got '{text}', wants NAME=COLUMN, NAME one of {list(CORE)}.")
        columns[name] = column
    return columns or None


#: How columns of a CSV file are called.
column_option = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=COLUMN",
    callback=_columns,
    help="Where a CSV file has image, x, y or label; may be repeated.",
)


def choose_labels(wanted, known, option="--label"):
    """Find the classes that were named on the command line.

    Parameters
    ----------
    wanted : sequence of str
        Names; empty is all.
    known : sequence of labels
        The classes, of any type.
    option : str, default="--label"
        Where the names come from.

    Returns
    -------
    list of labels or None
        None for all.

    Raises
    ------
    click.BadParameter
        If there is no such class.
    """
    by_name = {str(label): label for label in known}
    for name in wanted:
        if name not in by_name:
            raise click.BadParameter(
                f"'{name}' is none of {', '.join(map(repr, by_name))}.", param_hint=f"'{option}'"
            )
    return [by_name[name] for name in wanted] or None


@contextlib.contextmanager
def on_cluster(address):
    """Have joblib run its jobs on the Dask cluster at an address; None is this machine.

    Raises
    ------
    ImportError
        If Dask is missing.
    click.ClickException
        If no scheduler answers.
    """
    if address is None:
        yield
        return
    import joblib

    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            "--scheduler needs Dask; install it with: pip install 'stnclf[distributed]'"
        ) from error
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError, TypeError) as error:
        raise click.ClickException(
            f"--scheduler: no scheduler answers at '{address}' ({_one_line(error)})"
        ) from error
    with client, joblib.parallel_config(backend="dask"):
        yield


def count_labels(labels):
    """Count each class; what has none stands under an empty name."""
    names = ["" if label is None or label != label else str(label) for label in labels]
    return {name: names.count(name) for name in sorted(set(names))}
