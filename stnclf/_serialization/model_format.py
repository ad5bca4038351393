"""What a model file says of itself: its kind and the version of its format."""

from __future__ import annotations

from .._version import __version__

__all__ = ["FORMAT_VERSION", "check_format"]

#: Version of the format that is written. It changes when files written before would load as
#: another model than they were; this version and all before it can be read.
FORMAT_VERSION = 2


def check_format(facts):
    """Check that a description is one of a model, in a version that can be read.

    Parameters
    ----------
    facts : dict
        The description in a file, see `stnclf._serialization.container.Reader`.

    Returns
    -------
    str
        Who wrote the file, for messages.

    Raises
    ------
    ValueError
        If it is not.
    """
    if facts.get("format") != "stnclf model":
        raise ValueError("it is a file of stnclf, but holds no model")
    version, versions = facts.get("format_version"), facts.get("versions")
    if type(version) is not int or version < 1:
        raise ValueError("format_version: is missing")
    writer = versions.get("stnclf") if isinstance(versions, dict) else None
    writer = f"stnclf {str(writer)[:40]!r} wrote it, this is {__version__!r}"
    if version > FORMAT_VERSION:
        raise ValueError(
            f"format version {version} is newer than {FORMAT_VERSION}, the newest that this "
            f"version reads ({writer})"
        )
    return writer
