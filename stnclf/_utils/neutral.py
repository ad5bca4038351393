"""What a caller has set for torch and NumPy does not change results."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager

import numpy as np
import torch

from .threads import one_thread

__all__ = ["neutral"]

#: NumPy's own defaults.
_ERRSTATE = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


#: Where torch says with how many bits kernels of the CPU compute, and full precision.
_PARTS, _FULL = ("matmul", "conv"), ("none", "ieee")


class _FullPrecision:
    """Kernels of the CPU compute in float32, whatever a caller allows; all threads share it.

    ``torch.set_float32_matmul_precision("medium")``, which is advised for GPUs, makes them round
    to bfloat16 on chips that have instructions for it.
    """

    def __init__(self):
        self.lock, self.n, self.before = threading.Lock(), 0, {}

    def __enter__(self):
        with self.lock:
            if self.n == 0:
                self.before = self._lower()
            self.n += 1

    def __exit__(self, *exc_info):
        with self.lock:
            self.n -= 1
            if self.n == 0:
                for part, value in self.before.items():
                    self._set(part, value)

    def _lower(self):
        """Set what is lower than full precision to that, and return what it was."""
        backend, before = torch.backends.mkldnn, {}
        if not hasattr(getattr(backend, "matmul", None), "fp32_precision"):  # before torch 2.9
            before = {"all": torch.get_float32_matmul_precision()}
            before = {} if before["all"] == "highest" else before
        else:
            values = {part: getattr(backend, part).fp32_precision for part in _PARTS}
            before = {part: value for part, value in values.items() if value not in _FULL}
        for part in before:
            self._set(part, "highest" if part == "all" else "ieee")
        return before

    def _set(self, part, value):
        if part == "all":
            torch.set_float32_matmul_precision(value)
        else:
            getattr(torch.backends.mkldnn, part).fp32_precision = value


_full_precision = _FullPrecision()
if hasattr(os, "register_at_fork"):
    # Another thread may have held the lock when the process was copied.
    os.register_at_fork(after_in_child=lambda: setattr(_full_precision, "lock", threading.Lock()))


@contextmanager
def neutral():
    """Compute as if the caller had set nothing; used as a context or a decorator.

    Inside, gradients can be computed, tensors are made on the CPU, operations have their own
    precision and a single thread, and NumPy's floating-point errors are handled as by default.
    All of it holds for this thread and is afterwards as it was; full precision of the CPU's
    kernels holds for all threads as long as one is inside. torch's default dtype, which is that of
    all threads, stays: the package names the dtypes of its tensors.
    """
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(np.errstate(**_ERRSTATE))
        enter(one_thread())
        enter(_full_precision)
        enter(torch.inference_mode(False))
        enter(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                enter(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            enter(torch.device("cpu"))  # it costs time at each call of torch
        yield
