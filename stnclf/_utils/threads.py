"""Threads for micro-batches."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

__all__ = ["Ahead", "Workers"]


class Ahead:
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

    # torch.set_num_threads also sets the default of threads to come, so that a context inside
    # another would take one for what it was before.
    _lock, _n_users, _before = threading.Lock(), 0, None

    def __init__(self, most=None, least=1):
        self.most, self.least = most, least

    def __enter__(self):
        with Workers._lock:
            if Workers._n_users == 0:
                Workers._before = torch.get_num_threads()
            Workers._n_users += 1
            self.threads_before = Workers._before
        self.n = max(self.least, min(self.threads_before, self.most or self.threads_before))
        torch.set_num_threads(1)
        self.pool = None
        if self.n > 1:
            self.pool = ThreadPoolExecutor(self.n, initializer=torch.set_num_threads, initargs=(1,))
        return self

    def __exit__(self, *exc_info):
        try:
            if self.pool is not None:
                self.pool.shutdown(cancel_futures=True)
        finally:
            with Workers._lock:
                Workers._n_users -= 1
            torch.set_num_threads(self.threads_before)

    def map(self, function, *columns):
        """Apply a function and give the list of results, in the order of what came in."""
        if self.pool is None:
            return [function(*row) for row in zip(*columns)]
        return list(self.pool.map(function, *columns))
