"""How far a training has come, as JSON values and back; in model files and in checkpoints."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import numpy as np

from .codec import decode, encode

__all__ = ["LOSSES", "TrainingRecord"]

_SCALARS = (bool, int, float, str, np.generic)

#: What a continued training compares, or reports as numbers.
_NUMBERS = ("epoch", "stage_epoch", "train_loss", "valid_loss", "lr", "dur")
#: Parts of the loss, by the names that `stnclf.training._stage.stage_loss` gives them.
LOSSES = ("localization_loss", "classification_loss")


class TrainingRecord(NamedTuple):
    """What a continued training goes on from, beside the weights.

    Attributes
    ----------
    seed : int
        The net's.
    epochs_done : dict of str to int
        Epochs of each stage so far.
    history : list of dict
        One row per epoch, as skorch keeps them.
    """

    seed: int
    epochs_done: dict
    history: list

    @classmethod
    def decoded(cls, facts, stages):
        """Take the record out of a file's description.

        Parameters
        ----------
        facts : dict
            What JSON gave.
        stages : collection of str
            Names of the stages that there are.

        Returns
        -------
        TrainingRecord

        Raises
        ------
        ValueError, TypeError
            If it is not one that `encoded` gives.
        """
        seed, done, rows = facts.get("seed"), facts.get("epochs_done"), facts.get("history")
        if type(seed) is not int or not 0 <= seed < 2**64:
            raise ValueError("seed: wants an integer from 0 to 2**64 - 1")
        if not isinstance(done, dict) or not all(
            stage in stages and type(n) is int and n >= 0 for stage, n in done.items()
        ):
            raise ValueError(f"epochs_done: wants numbers of epochs of {list(stages)}")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("history: wants a list of objects")
        history = []
        for row in rows:
            row = {name: decode(value) for name, value in row.items()}
            if not all(value is None or isinstance(value, _SCALARS) for value in row.values()):
                raise ValueError("history: wants rows of numbers and words")
            for name in (*_NUMBERS, *LOSSES):
                if not isinstance(row.get(name, 0), (int, float, np.number)):
                    raise ValueError(f"history: wants a number as {name!r}")
            history.append({"batches": [], **row})
        return cls(seed, done, history)

    @classmethod
    def of(cls, net):
        """Make the record of a net."""
        return cls(net.seed, net.epochs_done, net.history)

    def encoded(self):
        """Return it as JSON values, without the details of single batches."""
        rows = [_plain_row(row) for row in self.history]
        return {"seed": self.seed, "epochs_done": dict(self.epochs_done), "history": rows}

    def restore(self, net):
        """Continue a net from this record."""
        net.seed, net.epochs_done = self.seed, dict(self.epochs_done)
        net.history[:] = self.history


def _plain_row(row):
    """One epoch's numbers; a user's callback may have recorded anything beside them."""
    plain = {}
    for name, value in row.items():
        if isinstance(value, _SCALARS):
            with suppress(TypeError):
                plain[name] = encode(value)
    return plain
