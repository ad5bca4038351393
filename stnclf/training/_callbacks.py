"""skorch callbacks: the rows of the history, and what is shown while training."""

from __future__ import annotations

import math

import numpy as np
from skorch.callbacks import Callback, PrintLog

from .._serialization.container import check_finite
from .._serialization.training_record import LOSSES

__all__ = ["ProgressBar", "StageLog", "StagePrintLog", "diverged", "history_rows"]


class StageLog(Callback):
    """Complete each epoch's row of the history; refuse losses and weights that are no numbers."""

    def on_epoch_end(self, net, **kwargs):
        """Write stage, epoch, learning rate and mean losses into the epoch's row."""
        row, stage = net.history[-1], net.stage
        done = net.epochs_done[stage.name] = net.epochs_done.get(stage.name, 0) + 1
        net.history.record("stage", stage.name)
        net.history.record("stage_epoch", done)
        net.history.record("lr", float(net.optimizer_.param_groups[0]["lr"]))
        sizes = [batch["train_batch_size"] for batch in row["batches"] if "train_loss" in batch]
        for name in LOSSES:
            values = [batch[name] for batch in row["batches"] if name in batch]
            if values:
                mean = sum(v * n for v, n in zip(values, sizes)) / sum(sizes)
                net.history.record(name, mean)
        for name in ("train_loss", "valid_loss"):
            if not math.isfinite(row.get(name, 0.0)):
                raise diverged(stage, done, f"The {name} became {row[name]}")
        try:
            check_finite(net.module_.state_dict())
        except ValueError as error:
            raise diverged(stage, done, f"Weights became infinite ({error})") from error


class StagePrintLog(PrintLog):
    """skorch's table of epochs, with a header for each stage: the losses differ."""

    def on_train_begin(self, net, **kwargs):
        """Ask for a new header."""
        self.first_iteration_ = True
        self.sink(f"stage {net.stage.name!r}")


class ProgressBar(Callback):
    """One bar per stage, one tick per epoch, with the latest losses beside it."""

    def on_train_begin(self, net, **kwargs):
        """Open the bar."""
        from tqdm.auto import tqdm

        self.bar_ = tqdm(total=net.stage.epochs, desc=net.stage.name, unit="epoch")

    def on_epoch_end(self, net, **kwargs):
        """Move the bar."""
        row = net.history[-1]
        names = (*LOSSES, "valid_loss")
        self.bar_.set_postfix({n: f"{row[n]:.3g}" for n in names if n in row}, refresh=False)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        """Close the bar."""
        self.bar_.close()
        del self.bar_  # an open bar cannot be pickled


def diverged(stage, epoch, what):
    """Make the error that ends a stage whose numbers are no numbers any more."""
    return FloatingPointError(
        f"{what} in epoch {epoch} of stage {stage.name!r}. A learning rate that is too high is the "
        f"usual cause (lr={stage.lr:g}, see optimizer); values in X that are huge or far from all "
        "others are another."
    )


def history_rows(rows):
    """One plain dict per epoch out of skorch's history."""
    names = {
        "stage": "stage",
        "stage_epoch": "epoch",
        "train_loss": "train_loss",
        "valid_loss": "valid_loss",
        **{name: name for name in LOSSES},
        "lr": "lr",
        "dur": "seconds",
    }
    # An epoch that was interrupted has no stage yet.
    return [
        {new: _plain(row[old]) for old, new in names.items() if old in row}
        for row in rows
        if "stage" in row
    ]


def _plain(value):
    """Python's own number or string for NumPy's."""
    return value.item() if isinstance(value, np.generic) else value
