"""Threads for micro-batches, and torch's own, of which there is one."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

__all__ = ["Prefetch", "Workers", "one_thread"]


class _Users:
    """Who has set torch's number of threads to one, and what it was before.

    torch.set_num_threads also sets the default of threads to come, so that a context inside
    another, or beside it in another thread, would take one for what it was before.
    """

    def __init__(self):
        self.lock, self.n, self.before = threading.Lock(), 0, None
        self.here = threading.local()


_users = _Users()
if hasattr(os, "register_at_fork"):
    # Another thread may have held the lock, or been in a context, when the process was copied.
    os.register_at_fork(after_in_child=lambda: setattr(_users, "lock", threading.Lock()))


@contextmanager
def one_thread():
    """Make torch use a single thread; afterwards it has as many as before.

    Kernels of several threads would start OpenMP's pool, and a process that is forked from this
    one waits for the threads of that pool for ever, since they were not copied.

    Yields
    ------
    int
        How many threads there were.
    """
    depth = getattr(_users.here, "depth", 0)
    with _users.lock:
        if _users.n == 0:
            _users.before = torch.get_num_threads()
        _users.n += 1
        before = _users.before
    _users.here.depth = depth + 1
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        _users.here.depth = depth
        with _users.lock:
            _users.n -= 1
        if not depth:
            torch.set_num_threads(before)


def _begin_worker():
    _users.here.depth = 1  # what runs here never goes back to several threads
    torch.set_num_threads(1)


class Prefetch:
    """Iterate with the next item always in the making, on a thread of its own.

    Parameters
    ----------
    iterable : iterable
        Gives no None.
    """

    def __init__(self, iterable):
        self.iterable = iterable

    def __iter__(self):
        items = iter(self.iterable)
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(next, items, None)
            while (item := coming.result()) is not None:
                coming = pool.submit(next, items, None)
                yield item


class Workers:
    """Threads that work through micro-batches, each with single-threaded kernels.

    Used as a context; torch's number of threads is one inside it and what it was after it,
    also where several fits overlap in threads.

    Parameters
    ----------
    most : int, default=None
        Upper limit; never more than torch's own number of threads.
    least : int, default=1
        Lower limit, whatever torch's own number: for work that also waits for a disk.
    """

    def __init__(self, most=None, least=1):
        self.most, self.least = most, least

    def __enter__(self):
        self._one = one_thread()
        before = self._one.__enter__()
        self.n = max(self.least, min(before, self.most or before))
        self.pool = None
        if self.n > 1:
            self.pool = ThreadPoolExecutor(self.n, initializer=_begin_worker)
        return self

    def __exit__(self, *exc_info):
        try:
            if self.pool is not None:
                self.pool.shutdown(cancel_futures=True)
        finally:
            self._one.__exit__(None, None, None)

    def map(self, function, *columns):
        """Apply a function and give the list of results, in the order of what came in."""
        if self.pool is None:
            return [function(*row) for row in zip(*columns)]
        return list(self.pool.map(function, *columns))
