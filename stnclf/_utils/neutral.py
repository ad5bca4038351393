"""What a caller has set for torch and NumPy does not change results."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import numpy as np
import torch

from .threads import one_thread

__all__ = ["neutral"]

#: NumPy's own defaults.
_ERRSTATE = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


@contextmanager
def neutral():
    """Compute as if the caller had set nothing; used as a context or a decorator.

    Inside, gradients can be computed, tensors are made on the CPU, operations have their own
    precision and a single thread, and NumPy's floating-point errors are handled as by default.
    All of it holds for this thread and is afterwards as it was. torch's default dtype, which is
    that of all threads, stays: the package names the dtypes of its tensors.
    """
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(np.errstate(**_ERRSTATE))
        enter(one_thread())
        enter(torch.inference_mode(False))
        enter(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                enter(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            enter(torch.device("cpu"))  # it costs time at each call of torch
        yield
