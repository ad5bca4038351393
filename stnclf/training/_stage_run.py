"""`StageRun`: what only a running stage has, and its training step.

One training step cuts its batch into micro-batches of a fixed size, works through them on as
many threads as there are, each kernel single-threaded, and adds their gradients in a fixed
order. The result is the same bit for bit for any number of threads, the activations stay in the
cache, and the threads meet once per step and not once per layer.
"""

from __future__ import annotations

import copy
import math
import warnings

import torch

from .._utils.threads import Workers
from ..sampling import held_out_batches
from ._callbacks import diverged
from ._cuda_graph import ResidentSteps, fits, on_device, watches_batches
from ._stage import learning_rate, stage_loss

__all__ = ["MICRO_BATCH", "StageRun"]

#: Samples in a micro-batch on the CPU. Part of the result: sums are rounded in this order.
MICRO_BATCH = 16


class StageRun:
    """Replicas, optimizer, workers and counts of steps of a stage while it runs.

    Parameters
    ----------
    net : CellNet
        With the stage that begins; its module and parameters are used, its counts only read.
    train : CellDataset
        Training samples.
    done : int
        Epochs of the stage that a checkpoint has.

    Attributes
    ----------
    parameters : list of Tensor
        What learns.
    optimizer : torch.optim.AdamW
        New for each stage.
    epochs_before : int
        Epochs of earlier runs of the same stage.
    replicas : list of nn.Module
        Copies of the module that share its weights, one for each thread.
    resident : ResidentSteps or None
        Steps that run on a GPU alone.
    workers : Workers
        Threads; entered as a context.
    """

    def __init__(self, net, train, done):
        stage = net.stage
        self.stage, self.device, self.schedule = stage, net.device, net.schedule
        self.epochs_done, self.steps_done, self.n_steps = net.epochs_done, 0, 1
        self.epochs_before = net.epochs_done.get(stage.name, 0) - done
        self.parameters = [p for name in stage.learns for p in net.part(name).parameters()]
        self.micro_batch = MICRO_BATCH if self.device == "cpu" else net.batch_size
        net.module_.eval()
        self.replicas = self._make_replicas(net, train)
        self.merged = _statistics(net.module_)
        self.statistics = [_statistics(replica) for replica in self.replicas]
        options = {"lr": stage.lr, "weight_decay": net.weight_decay}
        watched = any(watches_batches(callback) for _, callback in net.callbacks_)
        if self.device == "cpu" or watched or not fits(train, self.device):
            self.resident = None
            self.optimizer = torch.optim.AdamW(self.parameters, **options)
        else:
            self.resident = self._make_resident(train, options)
            self.optimizer = self.resident.optimizer
        self.workers = Workers(len(self.replicas))

    def _make_replicas(self, net, train):
        """Copy the module: the weights are shared, running statistics only of a single copy."""
        most = (2 if net.augment.rotate == "copy" else 1) * len(train)
        n_replicas = math.ceil(min(net.batch_size, most) / self.micro_batch)
        shared = list(net.module_.parameters())
        if n_replicas == 1:
            shared += net.module_.buffers()
        replicas = [
            copy.deepcopy(net.module_, {id(t): t for t in shared}) for _ in range(n_replicas)
        ]
        compiled = net.compiled and self._compiles(net, train)
        for replica in replicas:
            replica.bfloat16 = net.bfloat16
            for name in self.stage.learns:
                part(replica, name).train()
            if compiled:
                replica.compile_networks()
        return replicas

    def _compiles(self, net, train):
        """Try one compiled step on a copy; warn where it fails."""
        trial = copy.deepcopy(net.module_)
        trial.bfloat16 = net.bfloat16
        for name in self.stage.learns:
            part(trial, name).train()
        trial.compile_networks()
        batch = next(held_out_batches(train, net.batch_size, [0])).to(self.device)
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

    def _make_resident(self, train, options):
        (replica,) = self.replicas
        return ResidentSteps(
            on_device(train, self.device),
            lambda batch: self.micro_step(replica, batch, len(batch)),
            self.parameters,
            list(replica.buffers()),
            **options,
        )

    def begin_epoch(self, batches):
        """Count the steps of the stage, and those that are done.

        Parameters
        ----------
        batches : TrainingBatches
            Of the epoch that begins.
        """
        n_batches = batches.n_batches()
        self.n_steps = self.stage.epochs * n_batches
        self.steps_done = (batches.epoch - self.epochs_before) * n_batches

    def rate(self, step):
        """Learning rate of a step of the stage."""
        return learning_rate(self.schedule, self.stage.lr, step / self.n_steps)

    def resident_epoch(self, positions, n_steps, batch_size):
        """Run all steps of an epoch on the GPU; return the mean losses by name."""
        rates = [self.rate(self.steps_done + step) for step in range(n_steps)]
        losses = self.resident.run(positions, rates, batch_size)
        self.steps_done += n_steps
        return losses

    def backward(self, batch):
        """Set the gradients of a batch; return its losses by name."""
        parts = batch.split(self.micro_batch)
        results = self.workers.map(self.micro_step, self.replicas, parts, [len(batch)] * len(parts))
        for i, parameter in enumerate(self.parameters):
            grads = [grads[i] for grads, _ in results if grads[i] is not None]
            parameter.grad = sum(grads[1:], start=grads[0]) if grads else None
        self._merge_statistics(len(parts))
        return {name: sum(r[name] for _, r in results) for name in results[0][1]}

    def step(self):
        """Make the optimizer's step, at the rate of this step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(self.steps_done)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps_done += 1

    def micro_step(self, module, batch, n_total):
        """Gradients of one micro-batch, and what it contributes to the losses."""
        batch = batch.to(self.device)
        loss, parts = stage_loss(module, batch, self.stage)
        share = (loss * batch.weight).sum() / n_total
        if self.device == "cpu" and not share.isfinite():
            # Before the sampler's gradient is computed: at NaN coordinates it crashes there.
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


def part(module, name):
    """Find a network by the name that stages have for it."""
    return module if name == "all" else getattr(module, name)


def _statistics(module):
    """List the running statistics of a module, and its counts of batches."""
    buffers = [b for name, b in module.named_buffers() if name not in ("mean", "std")]
    floats = [buffer for buffer in buffers if buffer.is_floating_point()]
    return floats, [buffer for buffer in buffers if not buffer.is_floating_point()]
