"""`CellNet`: the skorch net that trains one stage after the other."""

from __future__ import annotations

import torch
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping, PassthroughScoring
from skorch.utils import TeeGenerator
from torch import nn

from .._utils.threads import Prefetch
from ..sampling import Augmentation, TrainingBatches, held_out_batches
from ._callbacks import StageLog
from ._stage import stage_loss
from ._stage_run import StageRun, part

__all__ = ["CellNet"]


class CellNet(NeuralNet):
    """skorch net that trains one stage at a time on `stnclf.sampling.CellDataset`.

    Parameters
    ----------
    module : nn.Module
        The initialised system; trained in place.
    batch_size : int
        Samples a step.
    seed : int
        Decides everything that the epochs draw.
    balance : bool or "fixed"
        See `stnclf.sampling.TrainingBatches`.
    augment : Augmentation
        How images are changed; None leaves them as they are.
    schedule : {"constant", "one-cycle"}
        See `learning_rate`.
    weight_decay : float
        Decoupled weight decay of the Adam optimizer.
    bfloat16 : bool
        Whether training steps compute in bfloat16 (weights, theta and losses stay float32).
    compiled : bool
        Whether to try ``torch.compile`` on the networks for training.
    **net_params
        Further parameters of `skorch.NeuralNet` (callbacks, device, verbose).
    """

    def __init__(
        self,
        module,
        *,
        batch_size=64,
        seed=0,
        balance=True,
        augment=None,
        schedule="constant",
        weight_decay=0.0,
        bfloat16=False,
        compiled=False,
        **net_params,
    ):
        super().__init__(
            module,
            criterion=nn.Identity,  # the stages have their own losses, see stage_loss
            optimizer=torch.optim.AdamW,
            batch_size=batch_size,
            train_split=None,
            **net_params,
        )
        self.seed, self.balance = seed, balance
        self.augment = Augmentation.only() if augment is None else augment
        self.schedule, self.weight_decay, self.bfloat16 = schedule, weight_decay, bfloat16
        self.compiled = compiled
        self.stage, self.running, self.epochs_done = None, None, {}

    @classmethod
    def around(cls, module):
        """Make an initialised net of a module.

        Parameters
        ----------
        module : nn.Module
            With its weights, on the CPU. Brought to the layout of the images, see
            ``standardize``; results depend on it in their last bits.

        Returns
        -------
        CellNet
        """
        # It stays in evaluation mode: replicas learn, and meanwhile others may predict with it.
        module.eval().to(memory_format=torch.channels_last)
        net = cls(module, device="cpu").initialize()
        net.module = type(module)  # net.module_ is the trained one; twice would be pickled twice
        return net

    @property
    def _default_callbacks(self):
        return [*super()._default_callbacks[:3], ("stage_log", StageLog())]

    def run_stage(self, stage, train, valid=None, saved=None):
        """Train one stage, from where the weights are.

        Parameters
        ----------
        stage : Stage
            What to train.
        train, valid : CellDataset
            Training samples, and those for early stopping (may be None).
        saved : Saved, default=None
            Where the stage goes on, see `stnclf.training._checkpoint`; None begins it.

        Returns
        -------
        CellNet
            Itself.
        """
        learning = [p for name in stage.learns for p in self.part(name).parameters()]
        seeks = stage.localizes and stage.classifies != "window"
        idle = seeks and not list(self.part("localizer").parameters())
        if not stage.epochs or not learning or idle:
            return self
        self.stage = stage
        done = 0 if saved is None else saved.epoch
        for _, callback in self.callbacks_:
            if isinstance(callback, PassthroughScoring):
                callback.initialize()  # the best loss of another stage is no measure
        self.running = StageRun(self, train, done)
        self.optimizer_ = self.running.optimizer
        try:
            with self.running.workers:
                self._fit_stage(train, valid, saved, stage.epochs - done)
        finally:
            self.running = None
            self.optimizer_.state.clear()  # each stage starts anew; keeps pickles small
            for group in self.optimizer_.param_groups:
                group["lr"] = float(group["lr"])
        return self

    def _fit_stage(self, train, valid, saved, epochs):
        self.notify("on_train_begin", X=train, y=None)
        try:
            if saved is not None:
                saved.restore_stage(self)
            self.fit_loop((train, valid), epochs=epochs)
        except KeyboardInterrupt:
            # This is how skorch's EarlyStopping ends a training; a person's interruption goes on
            # to whoever called.
            if not self._stopped_early():
                raise
        finally:
            self.notify("on_train_end", X=train, y=None)

    def __getstate__(self):
        """Leave out the running stage: threads cannot be pickled."""
        return {**super().__getstate__(), "running": None}

    def part(self, name):
        """Find a network by the name that stages have for it."""
        return part(self.module_, name)

    def _stopped_early(self):
        stoppers = [c for _, c in self.callbacks_ if isinstance(c, EarlyStopping)]
        return any(stopper.misses_ >= stopper.patience for stopper in stoppers)

    def get_split_datasets(self, X, y=None, **fit_params):
        """Take the pair (train, valid) as it is."""
        return X

    def get_iterator(self, dataset, training=False):
        """Make the batches of an epoch; for validation the same ones every epoch."""
        name, around = self.stage.name, None
        if self.stage.classifies == "cell" and not self.stage.localizes:
            around = self.module_.around  # None is the patch
        if not training:
            return _Repeatable(held_out_batches, dataset, self.batch_size, [self.seed, 1], around)
        batches = TrainingBatches(
            dataset,
            (self.seed, _stage_number(name)),
            self.batch_size,
            around=around,
            balance=self.balance,
            augment=self.augment,
            epoch=self.epochs_done.get(name, 0),
        )
        self.running.begin_epoch(batches)
        return Prefetch(batches) if self.running.workers.n > 1 else batches

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run an epoch batch by batch, or all of it on the GPU."""
        if not training or self.running.resident is None:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            return
        positions = iterator.positions()
        losses = self.running.resident_epoch(positions, iterator.n_batches(), self.batch_size)
        self.history.new_batch()
        for name, value in losses.items():
            self.history.record_batch("train_loss" if name == "loss" else name, value)
        self.history.record_batch("train_batch_size", len(positions))
        self.history.record("train_batch_count", iterator.n_batches())

    def train_step(self, batch, **fit_params):
        """Make one optimizer step over all micro-batches of a batch."""
        losses = self.running.backward(batch)
        named = [(n, p) for n, p in self.module_.named_parameters() if p.grad is not None]
        named = TeeGenerator(iter(named))  # each callback gets to see all of them
        self.notify("on_grad_computed", named_parameters=named, batch=batch, training=True)
        self.running.step()
        loss = losses.pop("loss")  # skorch records it, as train_loss
        for name, value in losses.items():
            self.history.record_batch(name, value.item())
        return {"loss": loss, "y_pred": None}

    def validation_step(self, batch, **fit_params):
        """Loss of a batch without augmentation, in evaluation mode."""
        with torch.no_grad():
            batch = batch.to(self.device)
            loss, _ = stage_loss(self.module_, batch, self.stage)
            loss = (loss * batch.weight).mean()
        return {"loss": loss, "y_pred": None}


def _stage_number(name):
    """Turn a stage's name into a number, the same in every process (hash() is not)."""
    return int.from_bytes(name.encode(), "little")


class _Repeatable:
    """Calls a generator function anew for every iteration."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __iter__(self):
        return self.function(*self.args)
