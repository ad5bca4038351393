"""Staged training: what a stage is, and the skorch net that runs its epochs.

One training step cuts its batch into micro-batches of a fixed size, works through them on as
many threads as there are, each kernel single-threaded, and adds their gradients in a fixed
order. The result is the same to the bit for any number of threads, the activations stay in the
cache, and the threads meet once a step and not once a layer.
"""

from __future__ import annotations

import copy
import math
import warnings

import torch
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping, PassthroughScoring
from skorch.utils import TeeGenerator
from torch import nn

from .._utils.threads import Ahead, Workers
from ..sampling import Augmentation, TrainingBatches, held_out_batches
from ._callbacks import StageLog, diverged
from ._cuda_graph import ResidentSteps, fits, on_device, watches_batches
from ._stage import learning_rate, stage_loss

__all__ = ["CellNet"]

#: Samples in a micro-batch on the CPU. Part of the result: sums are rounded in this order.
MICRO_BATCH = 16


class CellNet(NeuralNet):
    """skorch net that trains one stage at a time on `CellDataset`.

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
        self.stage, self.epochs_done, self.epochs_before = None, {}, 0

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
        learning = [self.part(name) for name in stage.learns]
        parameters = [p for part in learning for p in part.parameters()]
        seeks = stage.localizes and stage.classifies != "window"
        idle = seeks and not list(self.part("localizer").parameters())
        if not stage.epochs or not parameters or idle:
            return self
        self.stage, self.steps_done, self.n_steps = stage, 0, 1
        done = 0 if saved is None else saved.epoch
        self.epochs_before = self.epochs_done.get(stage.name, 0) - done
        self.parameters = parameters
        for _, callback in self.callbacks_:
            if isinstance(callback, PassthroughScoring):
                callback.initialize()  # the best loss of another stage is no measure
        micro = MICRO_BATCH if self.device == "cpu" else self.batch_size
        self.module_.eval()
        most = (2 if self.augment.rotate == "copy" else 1) * len(train)
        n_replicas = math.ceil(min(self.batch_size, most) / micro)
        shared = list(self.module_.parameters())
        if n_replicas == 1:
            shared += self.module_.buffers()
        # A replica shares the weights; of several, each has statistics of its own to write to.
        self.replicas = [
            copy.deepcopy(self.module_, {id(t): t for t in shared}) for _ in range(n_replicas)
        ]
        compiled = self.compiled and self._compiles(train)
        for replica in self.replicas:
            replica.bfloat16 = self.bfloat16
            for name in stage.learns:
                _part(replica, name).train()
            if compiled:
                replica.compile_networks()
        self.micro_batch = micro
        self.merged = _statistics(self.module_)
        self.statistics = [_statistics(replica) for replica in self.replicas]
        self._prepare_steps(train)
        try:
            with Workers(n_replicas) as self.workers:
                self.notify("on_train_begin", X=train, y=None)
                try:
                    if saved is not None:
                        saved.restore_stage(self)
                    self.fit_loop((train, valid), epochs=stage.epochs - done)
                except KeyboardInterrupt:
                    # This is how skorch's EarlyStopping ends a training; a person's
                    # interruption goes on to whoever called.
                    if not self._stopped_early():
                        raise
                finally:
                    self.notify("on_train_end", X=train, y=None)
        finally:
            del self.replicas, self.parameters, self.workers, self.steps
            del self.merged, self.statistics
            self.optimizer_.state.clear()  # each stage starts anew; keeps pickles small
            for group in self.optimizer_.param_groups:
                group["lr"] = float(group["lr"])
        return self

    def _compiles(self, train):
        """Try one compiled step on a copy; warn where it fails."""
        trial = copy.deepcopy(self.module_)
        trial.bfloat16 = self.bfloat16
        for name in self.stage.learns:
            _part(trial, name).train()
        trial.compile_networks()
        batch = next(held_out_batches(train, self.batch_size, [0])).to(self.device)
        try:
            stage_loss(trial, batch, self.stage)[0].sum().backward()
        except Exception as error:  # whatever a compiler may have to say
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
            warnings.warn(
                f"compile: torch.compile failed ({reason}); training goes on without it.",
                RuntimeWarning,
                stacklevel=2,
            )
            return False
        return True

    def _prepare_steps(self, train):
        """Make the optimizer and, where they can be used, the steps that run on a GPU alone."""
        options = {"lr": self.stage.lr, "weight_decay": self.weight_decay}
        self.steps = None
        watched = any(watches_batches(callback) for _, callback in self.callbacks_)
        if self.device == "cpu" or watched or not fits(train, self.device):
            self.optimizer_ = torch.optim.AdamW(self.parameters, **options)
            return
        (replica,) = self.replicas
        self.steps = ResidentSteps(
            on_device(train, self.device),
            lambda batch: self._micro_step(replica, batch, len(batch)),
            self.parameters,
            list(replica.buffers()),
            **options,
        )
        self.optimizer_ = self.steps.optimizer

    def __getstate__(self):
        """Leave out what only a running stage has: threads cannot be pickled."""
        state = super().__getstate__()
        for name in ("workers", "replicas", "parameters", "steps", "merged", "statistics"):
            state.pop(name, None)
        return state

    def part(self, name):
        """Give a network by the name that stages have for it."""
        return _part(self.module_, name)

    def _stopped_early(self):
        stoppers = [c for _, c in self.callbacks_ if isinstance(c, EarlyStopping)]
        return any(stopper.misses_ >= stopper.patience for stopper in stoppers)

    def get_split_datasets(self, X, y=None, **fit_params):
        """Take the pair (train, valid) as it is."""
        return X

    def get_iterator(self, dataset, training=False):
        """Give batches as the stage wants them; for validation the same ones every epoch."""
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
        n_batches = batches.n_batches()
        self.n_steps = self.stage.epochs * n_batches
        self.steps_done = (batches.epoch - self.epochs_before) * n_batches
        return Ahead(batches) if self.workers.n > 1 else batches

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run an epoch batch by batch, or all of it on the GPU."""
        if not training or self.steps is None:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            return
        n_steps = iterator.n_batches()
        rates = [self._rate(self.steps_done + step) for step in range(n_steps)]
        places = iterator.places()
        losses = self.steps.run(places, rates, self.batch_size)
        self.steps_done += n_steps
        self.history.new_batch()
        for name, value in losses.items():
            self.history.record_batch("train_loss" if name == "loss" else name, value)
        self.history.record_batch("train_batch_size", len(places))
        self.history.record("train_batch_count", n_steps)

    def _rate(self, step):
        return learning_rate(self.schedule, self.stage.lr, step / self.n_steps)

    def train_step(self, batch, **fit_params):
        """Make one optimizer step over all micro-batches of a batch."""
        parts = batch.split(self.micro_batch)
        results = self.workers.map(
            self._micro_step, self.replicas, parts, [len(batch)] * len(parts)
        )
        for i, parameter in enumerate(self.parameters):
            grads = [grads[i] for grads, _ in results if grads[i] is not None]
            parameter.grad = sum(grads[1:], start=grads[0]) if grads else None
        self._merge_statistics(len(parts))
        named = [(n, p) for n, p in self.module_.named_parameters() if p.grad is not None]
        named = TeeGenerator(iter(named))  # each callback gets to see all of them
        self.notify("on_grad_computed", named_parameters=named, batch=batch, training=True)
        for group in self.optimizer_.param_groups:
            group["lr"] = self._rate(self.steps_done)
        self.optimizer_.step()
        self.optimizer_.zero_grad(set_to_none=True)
        self.steps_done += 1
        losses = {name: sum(r[name] for _, r in results) for name in results[0][1]}
        loss = losses.pop("loss")  # skorch records it, as train_loss
        for name, value in losses.items():
            self.history.record_batch(name, value.item())
        return {"loss": loss, "y_pred": None}

    def _micro_step(self, module, batch, n_total):
        """Gradients of one micro-batch, and its share of the losses."""
        batch = batch.to(self.device)
        loss, parts = stage_loss(module, batch, self.stage)
        share = (loss * batch.weight).sum() / n_total
        if self.device == "cpu" and not share.isfinite():
            # Before the sampler's gradient is asked for: at NaN coordinates it crashes there.
            epoch = self.epochs_done.get(self.stage.name, 0) + 1
            raise diverged(self.stage, epoch, f"The loss became {share.item()}")
        grads = torch.autograd.grad(share, self.parameters, allow_unused=True)
        values = {n: (v.detach() * batch.weight).sum() / n_total for n, v in parts.items()}
        return grads, {**values, "loss": share.detach()}

    def _merge_statistics(self, n_used):
        """Average the running statistics that the replicas collected in one step."""
        if len(self.replicas) == 1 or not self.merged[0]:
            return
        (floats, counts), *others = self.statistics[:n_used]
        means = [value.clone() for value in floats]
        for more, _ in others:
            torch._foreach_add_(means, more)
        torch._foreach_div_(means, n_used)
        for to in (*self.statistics, self.merged):
            torch._foreach_copy_(to[0], means)
            torch._foreach_copy_(to[1], counts)

    def validation_step(self, batch, **fit_params):
        """Loss of a batch without augmentation, in evaluation mode."""
        with torch.no_grad():
            batch = batch.to(self.device)
            loss, _ = stage_loss(self.module_, batch, self.stage)
            loss = (loss * batch.weight).mean()
        return {"loss": loss, "y_pred": None}


def _part(module, name):
    """Return a network of a system by the name that stages have for it."""
    return module if name == "all" else getattr(module, name)


def _statistics(module):
    """List the running statistics of a module, and its counts of batches."""
    buffers = [b for name, b in module.named_buffers() if name not in ("mean", "std")]
    floats = [buffer for buffer in buffers if buffer.is_floating_point()]
    return floats, [buffer for buffer in buffers if not buffer.is_floating_point()]


def _stage_number(name):
    """Turn a stage's name into a number, the same in every process (hash() is not)."""
    return int.from_bytes(name.encode(), "little")


class _Repeatable:
    """Calls a generator function anew for every iteration."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __iter__(self):
        return self.function(*self.args)
