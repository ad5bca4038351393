"""The container of a model file: safetensors, with a description as JSON in its header.

A file starts with the length of its header (8 bytes, little-endian), then comes the header,
which is JSON and names each tensor's dtype, shape and place, then the tensors' bytes [1]_. The
header's metadata has the one entry ``"stnclf"``: the description, with a digest of itself and of
the tensors, so that damage is found. A digest is no signature: it does not tell who wrote a file.

References
----------
.. [1] https://huggingface.co/docs/safetensors, "Format".
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from contextlib import contextmanager

import safetensors.torch
import torch
from safetensors import SafetensorError

__all__ = ["REFUSALS", "Reader", "check_finite", "layout", "one_line", "pack", "reading"]

#: What reading a damaged or hostile file may raise.
REFUSALS = (ValueError, TypeError, RecursionError)

#: Length of a header, and number of values in it, beyond which a file is refused: parsed they
#: stay below some 60 MB. A quarter of a million named columns is the only thing to come near.
MOST_HEADER, MOST_VALUES = 8 << 20, 250_000

_KEY = "stnclf"


def layout(tensors):
    """Return dtype and shape of tensors as a header has them.

    Parameters
    ----------
    tensors : dict of str to Tensor
        On any device, the meta device included.

    Returns
    -------
    dict of str to (str, list of int)
    """
    return {
        name: (f"{'F' if t.is_floating_point() else 'I'}{8 * t.element_size()}", list(t.shape))
        for name, t in tensors.items()
    }


def pack(facts, tensors):
    """Make the content of a file.

    Parameters
    ----------
    facts : dict
        The description; plain JSON values.
    tensors : dict of str to Tensor
        Contiguous, on the CPU.

    Returns
    -------
    bytes
        The same for the same input.
    """
    sealed = {**facts, "sha256": digest(facts, tensors)}
    return safetensors.torch.save(tensors, {_KEY: _dumps(sealed)})


def digest(facts, tensors):
    """Compute the SHA-256 of a description and tensors.

    Parameters
    ----------
    facts : dict
        The description, without a digest.
    tensors : dict of str to Tensor
        Contiguous, on the CPU.

    Returns
    -------
    str
    """
    result = hashlib.sha256(_dumps(facts).encode())
    for name, (dtype, shape) in sorted(layout(tensors).items()):
        result.update(f"{name} {dtype} {shape}".encode())
        result.update(tensors[name].numpy())
    return result.hexdigest()


class Reader:
    """Reads a file in two steps: its header, then, if that is as it should be, its tensors.

    Nothing of the first step takes memory in proportion to what a header merely declares.

    Parameters
    ----------
    file : binary file
        Opened for reading, at its start.
    size : int
        Its size in bytes.

    Attributes
    ----------
    facts : dict
        The description, without its digest.
    layout : dict of str to (str, list of int)
        Dtype and shape of the tensors, as the header has them, see `layout`.

    Raises
    ------
    ValueError
        If the file is too short, no safetensors file, or holds no description.
    RecursionError
        If the header is nested too deeply.
    """

    def __init__(self, file, size):
        self.file, self.size = file, size
        n_header = int.from_bytes(file.read(8), "little")
        if size < 8 or n_header > size - 8:
            raise ValueError("it is cut short or no safetensors file")
        if n_header > MOST_HEADER:
            raise ValueError(f"its header has {n_header} bytes, more than {MOST_HEADER}")
        header = _parse(file.read(n_header).decode("ascii"), "header")
        metadata = header.pop("__metadata__", None)
        if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
            raise ValueError("it is a safetensors file, but not one of stnclf")
        self.facts = _parse(metadata[_KEY], "description")
        self._digest, self._n_header = self.facts.pop("sha256", None), n_header
        self.layout = {}
        for name, entry in header.items():
            if not isinstance(entry, dict):
                raise ValueError(f"its header has no tensor as {name[:80]!r}")
            self.layout[name] = (entry.get("dtype"), entry.get("shape"))

    def tensors(self, wanted, names=None):
        """Read the tensors.

        Parameters
        ----------
        wanted : dict of str to Tensor
            Tensors of the dtypes and shapes that there must be; their values do not matter, so
            that they may lie on the meta device.
        names : dict of str to str, default=None
            What the file calls them, where that is another name.

        Returns
        -------
        dict of str to Tensor

        Raises
        ------
        ValueError
            If there are other ones, or if file and digest do not agree.
        """
        names = {} if names is None else names
        self._check_layout({names.get(n, n): kind for n, kind in layout(wanted).items()})
        n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in wanted.values())
        if self.size != 8 + self._n_header + n_bytes:
            raise ValueError(f"it has {self.size} bytes, its tensors and header take others")
        self.file.seek(0)
        data = self.file.read(self.size)
        try:
            tensors = safetensors.torch.load(data)
        except SafetensorError as error:
            raise ValueError(f"it is no safetensors file ({error})") from error
        del data
        if digest(self.facts, tensors) != self._digest:
            raise ValueError("it is damaged: its digest is another")
        return {name: tensors[names.get(name, name)] for name in wanted}

    def _check_layout(self, wanted):
        for name in sorted(wanted.keys() | self.layout.keys()):
            if name not in self.layout:
                raise ValueError(f"tensor {name!r} is missing")
            if name not in wanted:
                raise ValueError(f"tensor {name[:80]!r} is unknown")
            if self.layout[name] != wanted[name]:
                got = " ".join(map(str, self.layout[name]))[:120]
                want = " ".join(map(str, wanted[name]))
                raise ValueError(f"tensor {name!r} is {got}, wants {want}")


def check_finite(tensors):
    """Refuse tensors that hold NaN or infinity.

    Parameters
    ----------
    tensors : dict of str to Tensor

    Raises
    ------
    ValueError
        Naming the first.
    """
    for name, tensor in tensors.items():
        # Smallest and largest are NaN where there is one, and cost no copy.
        if tensor.is_floating_point() and not torch.stack(tensor.aminmax()).isfinite().all():
            raise ValueError(f"tensor {name!r} holds NaN or infinity")


@contextmanager
def reading(path):
    """Open a file and give its `Reader`; what is no regular file is a ValueError."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe would wait for its writer
        raise ValueError("it is no regular file")
    with open(path, "rb") as file:
        yield Reader(file, os.fstat(file.fileno()).st_size)


def one_line(error):
    """Return the words of an error, in one line that is not too long."""
    return " ".join(str(error).split())[:400]


def _dumps(facts):
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _parse(text, what):
    """Parse a JSON object from anyone, in memory that is bounded beforehand."""
    if sum(map(text.count, "[{,")) > MOST_VALUES:
        raise ValueError(f"its {what} holds more than {MOST_VALUES} values")
    content = json.loads(text, parse_int=_integer, parse_float=_number, parse_constant=_number)
    if not isinstance(content, dict):
        raise ValueError(f"its {what} is no JSON object")
    return content


def _integer(digits):
    # Older versions of Python take a time for this that grows with the square of the length.
    if len(digits) > 40:
        raise ValueError("it holds an integer of more than 40 digits")
    return int(digits)


def _number(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds the number {text[:40]}")
    return number
