"""What long work says where nobody watches a bar: a line a minute on standard error."""

from __future__ import annotations

import time

from skorch.callbacks import Callback

from .._serialization.training_record import LOSSES
from .messages import say

__all__ = ["FoldLines", "TrainingLines", "duration"]

#: Seconds from line to line.
_EVERY = 60.0


class TrainingLines(Callback):
    """Say stage, epoch, losses and the time that the stage still takes.

    Parameters
    ----------
    clock : callable, default=time.monotonic
        Gives seconds.
    write : callable, default=`stnclf.cli.messages.say`
        Takes a line.
    """

    def __init__(self, clock=time.monotonic, write=say):
        self.clock, self.write, self.last = clock, write, clock()

    def on_train_begin(self, net, **kwargs):
        """Begin a stage."""
        self.start, self.done = self.clock(), 0

    def on_epoch_end(self, net, **kwargs):
        """Say where the training is, if the last line was a minute ago."""
        now, row, self.done = self.clock(), net.history[-1], self.done + 1
        if now - self.last < _EVERY:
            return
        self.last = now
        epoch, epochs = row["stage_epoch"], net.stage.epochs
        losses = {**{name: name.replace("_", " ") for name in LOSSES}, "valid_loss": "validation"}
        parts = [
            f"stage {net.stage.name}: epoch {epoch} of {epochs}",
            *(f"{words} {row[name]:.3g}" for name, words in losses.items() if name in row),
        ]
        left = (now - self.start) / self.done * (epochs - epoch)
        self.write(f"{', '.join(parts)}; {duration(left)} left in this stage")


class FoldLines:
    """Say how many folds of a cross-validation are done, and the time that the others take.

    Parameters
    ----------
    n_folds, n_done : int
        Folds in all, and those of an earlier run.
    clock, write : callable
        See `TrainingLines`.
    """

    def __init__(self, n_folds, n_done=0, clock=time.monotonic, write=say):
        self.n_folds, self.before, self.done = n_folds, n_done, n_done
        self.clock, self.write = clock, write
        self.start = self.last = clock()

    def add(self):
        """Count a fold; say so if the last line was a minute ago."""
        now, self.done = self.clock(), self.done + 1
        left = (now - self.start) / (self.done - self.before) * (self.n_folds - self.done)
        if now - self.last >= _EVERY and self.done < self.n_folds:
            self.last = now
            self.write(f"{self.done} of {self.n_folds} folds done; {duration(left)} left")


def duration(seconds):
    """Write a time for people.

    Parameters
    ----------
    seconds : float
        0 or more.

    Returns
    -------
    str

    Examples
    --------
    >>> from stnclf.cli.training_lines import duration
    >>> [duration(t) for t in (42, 90, 3599, 8000)]
    ['42 s', '2 min', '1 h', '2 h 13 min']
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join([f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0))
