"""Errors about one argument: they carry its name, and all read "argument: got X, wants Y"."""

from __future__ import annotations

__all__ = ["ArgumentError", "LockedError", "argument_error", "check_utf8"]


class ArgumentError(Exception):
    """An argument is not as it should be.

    Errors of this class are also ValueError, TypeError or FileNotFoundError.

    Attributes
    ----------
    argument : str
        Its name.
    problem : str
        The message without it.
    """

    argument: str
    problem: str


class ArgumentValueError(ValueError, ArgumentError):
    """The value of an argument is wrong."""


class ArgumentTypeError(TypeError, ArgumentError):
    """The type of an argument is wrong."""


class ArgumentFileError(FileNotFoundError, ArgumentError):
    """What an argument names does not exist."""


_KINDS = {
    ValueError: ArgumentValueError,
    TypeError: ArgumentTypeError,
    FileNotFoundError: ArgumentFileError,
}


class LockedError(OSError):
    """Another process writes the file."""


def argument_error(argument, problem, kind=ValueError, *, where=None):
    """Make an error about an argument.

    Parameters
    ----------
    argument : str
        Its name.
    problem : str
        What is wrong: "got X, wants Y".
    kind : {ValueError, TypeError, FileNotFoundError}, default=ValueError
        What the error is besides an `ArgumentError`.
    where : str, default=None
        Which part of the argument: "row 3".

    Returns
    -------
    ArgumentError

    Examples
    --------
    >>> from stnclf._utils.errors import argument_error
    >>> argument_error("stride", "got 0, wants 1 or more.")
    ArgumentValueError('stride: got 0, wants 1 or more.')
    >>> error = argument_error("annotations", "has no label.", where="row 3")
    >>> str(error), error.argument, error.problem
    ('annotations, row 3: has no label.', 'annotations', 'row 3: has no label.')
    """
    text = f"{argument}: {problem}" if where is None else f"{argument}, {where}: {problem}"
    error = _KINDS[kind](text)
    error.argument = argument
    error.problem = problem if where is None else f"{where}: {problem}"
    return error


def check_utf8(argument, name):
    """Refuse a name that no table can hold, before there is work that it would cost.

    Parameters
    ----------
    argument : str
        The argument, for the message.
    name : str
        A file's name, as the system has it.

    Raises
    ------
    ValueError
        If it is not UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode("utf-8", "backslashreplace").decode()
        raise argument_error(
            argument, f"got the file name '{shown}', wants one in UTF-8; rename the file."
        ) from error
