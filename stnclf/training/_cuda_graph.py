"""Training steps on a GPU: the images lie there, and each step is one CUDA graph.

The networks are so small that a GPU works through a step faster than Python can launch its
kernels one by one. A graph launches them all at once; nothing is read back before an epoch ends.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from skorch.callbacks import Callback

__all__ = ["ResidentSteps", "fits", "watches_batches"]


def fits(data, device):
    """Check whether all images of a data set fit into half of the GPU's free memory."""
    return data.n_bytes() < torch.cuda.mem_get_info(device)[0] / 2


def watches_batches(callback):
    """Check whether a skorch callback wants to see single batches or gradients.

    Parameters
    ----------
    callback : skorch.callbacks.Callback
        With it, steps have to be made one by one.

    Returns
    -------
    bool
    """
    hooks = ("on_batch_begin", "on_batch_end", "on_grad_computed")
    return any(getattr(type(callback), hook) is not getattr(Callback, hook) for hook in hooks)


def on_device(data, device):
    """Copy a data set's images to a device, some at a time; give them as they are there."""
    dtype = np.uint8 if data.X.dtype == np.uint8 else np.float32
    shape = (len(data), *data.X.shape[1:])
    images = torch.empty(shape, dtype=getattr(torch, dtype.__name__), device=device)
    for start in range(0, len(data), 256):
        rows = data.rows[start : start + 256]
        # torch takes neither other byte orders nor long doubles.
        images[start : start + 256] = torch.from_numpy(np.asarray(data.X[rows], dtype=dtype))
    return images


class ResidentSteps:
    """The steps of one stage over images that lie on the device.

    Parameters
    ----------
    images : Tensor of shape (n, height, width, channels)
        All images of the training set, on the device.
    gradients : callable
        Takes a `Batch` and gives the gradients of the mean loss, in the order of
        ``parameters``, and a dict of the batch's mean losses by name.
    parameters : list of Tensor
        What is trained.
    buffers : list of Tensor
        What a step changes besides: running statistics.
    lr, weight_decay : float
        Of the AdamW optimizer.
    graph : bool, default=True
        Whether to record each step as a CUDA graph; without it the steps are the same,
        kernel by kernel, and run on any device.
    """

    def __init__(self, images, gradients, parameters, buffers, lr, weight_decay, graph=True):
        self.images, self.gradients = images, gradients
        self.parameters, self.buffers = parameters, buffers
        self.rate = torch.tensor(float(lr), device=images.device)
        options = {"capturable": True, "fused": True} if graph else {}
        self.optimizer = torch.optim.AdamW(
            parameters, lr=self.rate, weight_decay=weight_decay, **options
        )
        self.grads = [torch.zeros_like(parameter) for parameter in parameters]
        for parameter, grad in zip(parameters, self.grads):
            parameter.grad = grad
        self.recorded, self.totals = {}, None
        # Everything runs on this stream: what autograd makes on another cannot be recorded.
        self.stream = torch.cuda.Stream(images.device) if graph else None

    def run(self, batch, rates, batch_size):
        """Run one epoch.

        Parameters
        ----------
        batch : Batch
            The whole epoch; ``source`` holds the numbers of the images.
        rates : list of float
            Learning rate of each step.
        batch_size : int
            Samples in a step.

        Returns
        -------
        dict of str to float
            Mean of each loss over the epoch's samples.
        """
        if self.stream is None:
            return self._run(batch, rates, batch_size)
        self.stream.wait_stream(torch.cuda.current_stream(self.images.device))
        with torch.cuda.stream(self.stream):
            return self._run(batch, rates, batch_size)

    def _run(self, batch, rates, batch_size):
        device, n = self.images.device, len(batch)
        batch = batch.to(device)
        rates = torch.tensor(rates, dtype=torch.float32).to(device)
        if self.totals is not None:
            self.totals.zero_()
        for step, start in enumerate(range(0, n, batch_size)):
            part = batch.part(slice(start, start + batch_size))
            self.rate.copy_(rates[step])
            if self.stream is None:
                self._step(part)
                continue
            if len(part) not in self.recorded:
                self.recorded[len(part)] = self._record(part)
            held, graph = self.recorded[len(part)]
            for there, here in zip(vars(held).values(), vars(part).values()):
                there.copy_(here)
            graph.replay()
        return dict(zip(self.names, (self.totals / n).tolist()))

    def _step(self, batch):
        """Make one optimizer step, and add the losses to the totals."""
        pixels = replace(batch, source=self.images[batch.source])
        grads, losses = self.gradients(pixels)
        for grad, new in zip(self.grads, grads):
            grad.copy_(new)
        self.optimizer.step()
        sums = torch.stack(list(losses.values())) * len(batch)
        if self.totals is None:
            self.names, self.totals = list(losses), torch.zeros_like(sums)
        self.totals += sums

    def _record(self, batch):
        """Record a step for one size of batch; weights and totals stay as they were."""
        held = replace(batch, **{name: tensor.clone() for name, tensor in vars(batch).items()})
        state = self._state()
        before = [tensor.clone() for tensor in state]
        for _ in range(2):  # libraries choose their kernels and take their workspace
            self._step(held)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            self._step(held)
        with torch.no_grad():
            for tensor, value in zip(state, before):
                tensor.copy_(value)
            for tensor in self._state()[len(state) :]:
                tensor.zero_()  # what the optimizer has made meanwhile starts at nothing
        return held, graph

    def _state(self):
        """All tensors that a step changes, those of the optimizer and the totals last."""
        moments = [t for p in self.parameters for t in self.optimizer.state[p].values()]
        totals = [] if self.totals is None else [self.totals]
        return [*self.parameters, *self.buffers, *moments, *totals]
