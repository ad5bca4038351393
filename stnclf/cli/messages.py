"""What commands say: one line each, which no label or file name can spoil."""

from __future__ import annotations

import contextlib
import re
import sys
import traceback
import warnings

import click

from .._utils.printable import printable

__all__ = [
    "about_file",
    "describe",
    "is_debugging",
    "keep_debugging",
    "one_line",
    "report",
    "say",
    "show",
    "show_warning",
    "write_data",
]

_DEBUG = "stnclf.debug"

#: Errors that say what is wrong with the input; others are ours, and their kind is worth a word.
_EXPECTED = (OSError, ValueError, TypeError, ImportError, FloatingPointError)

#: Arguments that are what a file holds: of a table, rows and columns are named behind them.
_TABLES = ("annotations", "detections", "table")
_ARRAYS = ("X", "y", "centers", "groups", "neighbors")

#: How warnings about data begin, which carry no argument.
_DATA = r"(annotations|detections|table)(: |, )|Input (?=X )|(?=X: |y: |centers: )"


def say(text):
    """Write a line for people, on standard error: standard output is for data.

    Nothing comes of it if nobody listens: the terminal may be gone, the work is not.
    """
    with contextlib.suppress(OSError):
        click.echo(printable(text), err=True)


def show(text):
    """Write text for people, with lines, on standard output."""
    click.echo(printable(text, keep="\n\t"))


def write_data(text):
    """Write data on standard output as they are, but for a terminal, to which they do nothing."""
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    # With color=None, click would take escape sequences out of what goes to a file.
    click.echo(printable(text, keep="\n\t") if is_terminal else text, nl=False, color=True)


def is_debugging(ctx):
    """Return whether ``--debug`` was given."""
    return bool(ctx.meta.get(_DEBUG))


def keep_debugging(ctx):
    """Remember that ``--debug`` was given."""
    ctx.meta[_DEBUG] = True


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
    text = one_line(error)
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
    text = text.replace(
        "pass mpp= to Slide, or slide_mpp= to extract_patches",
        "pass --slide-mpp, for photographs the one with which patches were cut",
    )
    text = text.replace(", or width_px= to hotspots", ", or --width-px")
    # An error about an argument carries its name; others begin with it.
    argument = getattr(error, "argument", None) or text.partition(":")[0].partition(" must ")[0]
    for param in params:
        option = max(param.opts, key=len)
        if option.startswith("-"):
            if param.name == argument and text.startswith(argument):
                text = option + text[len(argument) :]
            text = re.sub(rf"\b{param.name}='(\w+)'", rf"{option} \1", text)
            text = text.replace(f"leave out {param.name}=", f"leave out {option}")
            if "_" in param.name:  # another argument that the text speaks of; it is no word
                text = re.sub(rf"\b{param.name}\b", option, text)
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
    if is_debugging(ctx):
        traceback.print_exception(error)
    text = describe(error, ctx.command.params)
    text = text if str(path) in text else f"{path}: {text}"
    say(f"{ctx.command_path}: error: {text}")


def one_line(error):
    """Put the words of an error, or any text, into one line."""
    return " ".join(str(error).split())


def show_warning(message, category, filename, lineno, file=None, line=None):
    """Say a warning, as `warnings.showwarning` would."""
    say(f"stnclf: warning: {one_line(message)}")


@contextlib.contextmanager
def about_file(path):
    """Name the file in errors and warnings about its data; errors about options stay."""
    show = warnings.showwarning

    def named(message, *args, **kwargs):
        show(re.sub(f"^({_DATA})", f"{path}: ", one_line(message)), *args, **kwargs)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = named
            yield
    except ValueError as error:
        text, argument = one_line(error), getattr(error, "argument", None)
        if argument in _TABLES:
            text = one_line(error.problem)
        elif text.startswith(tuple(f"Input {name} " for name in _ARRAYS)):  # scikit-learn's
            text = text.removeprefix("Input ")
        elif argument not in _ARRAYS:
            raise
        raise ValueError(f"{path}: {text}") from error
