"""What the commands share: errors in one line, exit statuses, options, the cluster."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import warnings
from pathlib import Path

import click
from click.core import ParameterSource

from .._utils.names import as_text, same_name
from .._utils.printable import listed
from .._utils.values import is_missing
from .messages import describe, is_debugging, keep_debugging, one_line, say, show_warning
from .signals import stopped_by_signals

__all__ = [
    "EXISTING",
    "FILE",
    "POSITIVE",
    "PROBABILITY",
    "RATIO",
    "SEED",
    "Command",
    "Main",
    "cell_width_option",
    "check_counts",
    "choose_labels",
    "column_option",
    "count_labels",
    "debug_option",
    "examples",
    "given_options",
    "jobs_option",
    "labels_by_name",
    "long_options",
    "on_cluster",
    "on_error_option",
    "out_option",
    "overwrite_option",
    "shows_progress",
    "tile_size_option",
]

#: Arguments that name something which is there, and a file which is there.
EXISTING = click.Path(exists=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Number(click.ParamType):
    """A number for which something holds; the message has its text in it."""

    name = "float"

    def __init__(self, holds, message, read=float):
        self.holds, self.message, self.read = holds, message, read

    def convert(self, value, param, ctx):
        """Read it."""
        try:
            number = self.read(value)
        except (ValueError, ZeroDivisionError):
            number = math.nan
        if not self.holds(number):
            self.fail(self.message.format(value), param, ctx)
        return number


def _ratio(value):
    """Read a number, or a fraction such as 4/3."""
    above, slash, below = str(value).partition("/")
    return float(above) / (float(below) if slash else 1)


#: Of options for micrometres per pixel.
POSITIVE = _Number(lambda number: 0 < number < math.inf, "got '{}', wants a positive number.")
#: Of ``--min-probability``, where a table is chosen from.
PROBABILITY = _Number(lambda number: 0 <= number <= 1, "got {}, wants a number from 0 to 1.")
#: Of ``--aspect``.
RATIO = _Number(
    lambda number: 0 < number < math.inf,
    "got '{}', wants a positive number, or a fraction such as 4/3.",
    _ratio,
)

#: Of ``--seed``: what generators of random numbers take.
SEED = click.IntRange(0, 2**32 - 1)

#: Seconds to wait for the scheduler.
_PATIENCE = 10


class Command(click.Command):
    """A command whose errors are one line; with ``--debug`` a traceback goes before it."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.params.append(debug_option())

    def parse_args(self, ctx, args):
        """Read the command line; refuse an option of one value that is given twice."""
        given = list(args)
        left = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            _, _, order = self.make_parser(ctx).parse_args(args=given)
            for param in self.get_params(ctx):
                if order.count(param) > 1 and _takes_one_value(param):
                    raise click.BadParameter(
                        f"given {order.count(param)} times, wants one value.", ctx, param
                    )
        return left

    def invoke(self, ctx):
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click ends quietly where a pipe was closed
        except KeyboardInterrupt as error:
            raise click.Abort from error
        except Exception as error:
            if is_debugging(ctx):
                raise
            failure = click.ClickException(describe(error, self.params))
            failure.ctx = ctx
            raise failure from error


def _takes_one_value(param):
    """Whether an option keeps one value, of those that a command line gives it the last."""
    is_option = isinstance(param, click.Option)
    return is_option and not (param.multiple or param.is_flag or param.count)


class Main(click.Group):
    """The group of commands.

    Exit status: 0 (fine), 1 (failed), 2 (wrong use), 129, 130, 143 (SIGHUP, Ctrl-C, SIGTERM).
    """

    command_class = Command

    def main(self, args=None, prog_name="stnclf", **extra):
        """Run a command line and end the process."""
        with warnings.catch_warnings(), stopped_by_signals() as received:
            warnings.showwarning = show_warning
            try:
                code = super().main(args, prog_name, **{**extra, "standalone_mode": False})
            except click.exceptions.NoArgsIsHelpError as error:
                error.show()
                code = error.exit_code
            except click.ClickException as error:
                ctx = getattr(error, "ctx", None)
                where = ctx.command_path if ctx else prog_name
                say(f"{where}: error: {one_line(error.format_message())}")
                code = error.exit_code
            except click.Abort:
                code = 130
                if not received:
                    say(f"{prog_name}: interrupted")
            if received:
                code = 128 + received[0]
                say(f"{prog_name}: stopped by {signal.Signals(received[0]).name}")
        sys.exit(code if isinstance(code, int) else 0)


def given_options():
    """Return the options that the command line has, by the names of their parameters."""
    ctx = click.get_current_context()
    return {
        param.name: max(param.opts, key=len)
        for param in ctx.command.params
        if isinstance(param, click.Option)
        and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    }


def check_counts(condition, *names):
    """Refuse options that count only together with something that is not given.

    Parameters
    ----------
    condition : str
        What it is, for the message.
    *names : str
        Names of the parameters.

    Raises
    ------
    click.UsageError
        If one of them is on the command line.
    """
    for name, option in given_options().items():
        if name in names:
            raise click.UsageError(f"{option} counts only with {condition}.")


def debug_option():
    """Make the option ``--debug``, which every command has and the group too."""

    def keep(ctx, param, value):
        if value:
            keep_debugging(ctx)

    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Show where in the program an error came up.",
    )


def examples(*lines):
    """Return the end of a help text: command lines, which are not wrapped."""
    return "\n".join(
        ["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {x}" for x in lines)]
    )


def out_option(text, required=True, **more):
    """Make the option ``--out``."""
    return click.option(
        "-o", "--out", required=required, type=click.Path(path_type=Path), help=text, **more
    )


overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace what is there under the name of --out."
)


#: What to do about a part of a slide that cannot be read.
on_error_option = click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="Where a slide cannot be read: stop, to be resumed, or leave out what touches it.",
)


#: How much of a slide a job works on at a time.
tile_size_option = click.option(
    "--tile-size",
    type=int,
    default=1024,
    show_default=True,
    help="Side in px, as the network sees them, of the square that a job works on at a time; a "
    "larger one takes more memory.",
)


def long_options(command):
    """Add what every long command has: ``--overwrite``, ``--resume``, ``--progress``."""
    for option in (
        click.option(
            "--progress/--no-progress",
            default=None,
            help="Show a progress bar, or nothing.  [default: a bar on a terminal; elsewhere "
            "train and evaluate write a line a minute]",
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
    """Return 1 or 0: whether to show a progress bar."""
    return int(sys.stderr.isatty() if progress is None else progress)


def jobs_option(text):
    """Make the option ``--jobs``, with its help."""
    return click.option(
        "--jobs",
        type=int,
        default=1,
        show_default=True,
        callback=_check_jobs,
        help=f"{text}; -1: all cores.",
    )


def _check_jobs(ctx, param, value):
    if value == 0:
        raise click.BadParameter("wants a number of jobs, or -1 for all cores.")
    return value


def _columns(ctx, param, values):
    """Read ``NAME=COLUMN``, a callback of click's; None where there is none."""
    if not values:
        return None
    from ..annotations._table import NAMED

    columns = {}
    for text in values:
        name, _, column = text.partition("=")
        if name not in NAMED or not column:
            raise click.BadParameter(f"got '{text}', wants NAME=COLUMN, NAME one of {list(NAMED)}.")
        if name in columns:
            raise click.BadParameter(f"'{name}' is given twice.")
        columns[name] = column
    return columns


#: How wide cells are, for a file that does not say it.
cell_width_option = click.option(
    "--cell-width",
    type=click.FloatRange(min=0, min_open=True),
    help="Pixels of the slide across the largest cells, for a file without boxes around them: "
    "decides the sizes that are recommended.",
)

#: How columns of a CSV file are called.
column_option = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=COLUMN",
    callback=_columns,
    help="Where a CSV file has image, x, y, label, width or height; may be repeated.",
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
    plain, by_name = map(as_text, known), labels_by_name(known)
    wanted = [same_name(by_name, name) for name in wanted]
    for name in wanted:
        if name not in by_name:
            raise click.BadParameter(
                f"'{name}' is none of {listed(plain)[1:-1]}.", param_hint=f"'{option}'"
            )
    return [by_name[name] for name in wanted] or None


def labels_by_name(known):
    """Map the names that classes have in tables and in Python, "2" and "2.0", to the classes."""
    return {name(label): label for name in (str, as_text) for label in known}


@contextlib.contextmanager
def on_cluster(address):
    """Run joblib's jobs on the Dask cluster at an address; None is this machine.

    Raises
    ------
    ImportError
        If Dask is missing.
    click.ClickException
        If no scheduler can be reached.
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
            f"--scheduler: no scheduler answers at '{address}' ({one_line(error)})"
        ) from error
    with client, joblib.parallel_config(backend="dask"):
        yield


def count_labels(labels):
    """Count each class; what has none stands under an empty name."""
    names = ["" if is_missing(label) else str(label) for label in labels]
    return {name: names.count(name) for name in sorted(set(names))}
