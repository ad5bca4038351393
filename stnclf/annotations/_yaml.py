"""Names of classes in YOLO's ``data.yaml``."""

from __future__ import annotations

import re
from typing import Any

from .._utils.optional import import_yaml
from .._utils.printable import quoted, shortened

#: What YAML takes for nothing.
_NOTHING = ("", "~", "null", "Null", "NULL")


def class_names_of_yaml(text: str) -> dict[int, str]:
    """Read the names of classes by their numbers; none where the file does not name them.

    Parameters
    ----------
    text : str
        The file.

    Returns
    -------
    names : dict of int to str

    Raises
    ------
    ImportError
        If PyYAML is missing.
    ValueError
        If the text is no YAML, or its ``names`` are anything else than a list, or names by number.
    """
    yaml = import_yaml()
    try:
        # Scalars stay the text that they are: a class may be called "no".
        whole = next(yaml.load_all(text, Loader=yaml.BaseLoader), None)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"is no YAML: {shortened(' '.join(str(error).split()))}.") from error
    names: Any = whole.get("names") if isinstance(whole, dict) else None
    if names is None or names in _NOTHING:
        return {}
    if isinstance(names, list):
        names = dict(enumerate(names))
    found = {}
    for key, name in names.items() if isinstance(names, dict) else [("", names)]:
        if not re.fullmatch(r"\d{1,9}", str(key)) or not isinstance(name, str):
            raise ValueError(
                f"its 'names' have {quoted(str(key))}: {quoted(str(name))}; wants a list, as in "
                "names: ['mitosis', 'other'], or numbers, as in names: {0: 'mitosis', 1: 'other'}."
            )
        if name not in _NOTHING:
            found[int(key)] = name
    return found
