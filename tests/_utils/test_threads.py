"""Threads: order, errors, and torch's number of threads afterwards."""

import threading

import pytest
import torch

from stnclf._utils.threads import Prefetch, Workers

pytestmark = pytest.mark.usefixtures("two_threads")


def test_workers_keep_order_and_restore_threads():
    before = torch.get_num_threads()
    with Workers() as workers:
        assert torch.get_num_threads() == 1
        assert workers.map(lambda a, b: a - b, range(50), [1] * 50) == list(range(-1, 49))
    assert torch.get_num_threads() == before


def test_an_error_in_a_worker_reaches_the_caller_and_threads_are_restored():
    before = torch.get_num_threads()

    def fail(i):
        raise RuntimeError(f"part {i}")

    with pytest.raises(RuntimeError, match="part 0"), Workers() as workers:
        workers.map(fail, range(4))
    assert torch.get_num_threads() == before


def test_overlapping_contexts_leave_the_default_of_new_threads_alone():
    torch_threads = []

    def ask():
        torch_threads.append(torch.get_num_threads())

    def run(function):
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()

    run(ask)
    barrier = threading.Barrier(2)

    def overlap():
        with Workers():
            barrier.wait(10)
            barrier.wait(10)

    threads = [threading.Thread(target=overlap) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(ask)
    assert torch_threads[0] == torch_threads[1]


def test_least_is_kept_even_where_torch_has_fewer_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        barrier = threading.Barrier(3)
        with Workers(3, least=3) as workers:
            # None gets through before three are there.
            assert len(workers.map(lambda i: barrier.wait(10), range(3))) == 3
        with Workers(3) as workers:
            assert workers.n == 1
    finally:
        torch.set_num_threads(before)


def test_ahead_gives_the_same_items_one_in_advance():
    made, seen = [], []

    def items():
        for i in range(5):
            made.append(i)
            yield i + 10

    ahead = Prefetch(items())
    for item in ahead:
        seen.append(item)
    assert seen == [10, 11, 12, 13, 14]
    assert made == [0, 1, 2, 3, 4]
    again = Prefetch([3, 1])
    assert [list(again), list(again)] == [[3, 1], [3, 1]]


def test_ahead_works_on_the_next_item_while_this_one_is_used():
    next_is_made = threading.Event()

    def items():
        yield 1
        next_is_made.set()
        yield 2

    iterator = iter(Prefetch(items()))
    assert next(iterator) == 1
    assert next_is_made.wait(10)
    assert list(iterator) == [2]


def test_ahead_passes_errors_on():
    def items():
        yield 1
        raise OSError("disk")

    iterator = iter(Prefetch(items()))
    assert next(iterator) == 1
    with pytest.raises(OSError, match="disk"):
        next(iterator)
