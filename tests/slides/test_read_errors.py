"""Reads that fail once, a few times, or for ever."""

import pickle
import threading

import numpy as np
import pytest

from stnclf.slides import Slide, SlideReadError
from stnclf.slides import _readers as readers
from stnclf.slides._read_errors import WAITS, BrokenTiles, PatientReader

PIXELS = np.random.default_rng(3).integers(0, 256, (200, 300, 3), dtype=np.uint8)


class Flaky(readers.ArrayReader):
    """Fails as OpenSlide does: once it has failed, it reads nothing more."""

    failures, is_broken, opened = 0, (), 0

    def __init__(self, pixels):
        super().__init__(pixels)
        Flaky.opened += 1
        self.is_dead = False

    def tile_size(self, level):
        return 64, 50

    def read(self, level, x, y, width, height):
        touched = any(
            left < x + width and x < left + 64 and top < y + height and y < top + 50
            for left, top in Flaky.is_broken
        )
        if Flaky.failures or touched:
            Flaky.failures -= bool(Flaky.failures)
            self.is_dead = True
        if self.is_dead:
            raise SlideReadError("a.svs", "stale handle")
        return super().read(level, x, y, width, height)


@pytest.fixture
def flaky(monkeypatch):
    """A slide whose reader fails as often, and where, the test says."""
    monkeypatch.setattr(readers, "ArrayReader", Flaky)
    for name, value in (("failures", 0), ("is_broken", ()), ("opened", 0)):
        monkeypatch.setattr(Flaky, name, value)
    return Slide(PIXELS)


@pytest.mark.parametrize("n", range(len(WAITS) + 1))
def test_what_fails_a_few_times_is_read_in_the_end(flaky, waits, n):
    Flaky.failures = n
    region = flaky.read_region(70, 20, 50, 40)
    np.testing.assert_array_equal(region, PIXELS[20:60, 70:120])
    assert waits == list(WAITS[:n])
    assert Flaky.opened == 1 + n  # a handle that failed reads nothing more


def test_what_stays_broken_is_named_tile_by_tile(flaky, waits):
    Flaky.is_broken = ((64, 100), (256, 150))
    with pytest.raises(SlideReadError, match="x, y, width, height = 64, 100, 64, 50") as error:
        flaky.read_region(0, 0, 300, 200)
    # The last tile of a row is narrower: 300 = 4 * 64 + 44.
    assert error.value.regions == ((64, 100, 64, 50), (256, 150, 44, 50))
    assert "and 1 more tile" in str(error.value)
    assert waits == list(WAITS)
    np.testing.assert_array_equal(flaky.read_region(0, 0, 64, 200), PIXELS[:, :64])
    again = pickle.loads(pickle.dumps(error.value))
    assert (str(again), again.regions) == (str(error.value), error.value.regions)


def test_a_file_that_is_gone_names_no_tile(flaky, monkeypatch):
    Flaky.failures = 1
    reader = PatientReader(flaky._opener, "a.svs")

    def gone(self):
        raise FileNotFoundError("'a.svs': there is no such file.")

    monkeypatch.setattr(readers.Opener, "anew", gone)
    with pytest.raises(SlideReadError, match=r"'a\.svs': cannot be read \(.* no such") as error:
        reader.read(0, 0, 0, 5, 5)
    assert error.value.regions == ()


def test_known_broken_tiles_are_not_tried_again(flaky, waits):
    Flaky.is_broken, broken = ((64, 100),), BrokenTiles()
    for x in (70, 60, 100):
        with pytest.raises(SlideReadError) as error:
            PatientReader(flaky._opener, "a.svs", broken).read(0, x, 90, 30, 20)
        assert error.value.regions == ((64, 100, 64, 50),)
        assert str(error.value.reason) == "stale handle"  # also where it is only remembered
    assert waits == list(WAITS)
    assert broken.regions == [(64, 100, 64, 50)]
    assert broken.below(0, 0, 0, 64, 200) == []
    assert broken.below(0, 0, 0, 65, 101) == [(64, 100, 64, 50)]
    assert broken.below(1, 0, 0, 65, 101) == []
    for _ in range(3):
        broken.add(1, {})
    assert broken.waits == (0.0,)


def test_one_thread_may_fail_while_others_read(flaky):
    Flaky.is_broken, results = ((64, 100),), {}

    def read(number):
        try:
            for _ in range(20):
                x = 70 if number == 0 else 140
                results[number] = flaky.read_region(x, 110, 20, 20)
        except SlideReadError as error:
            results[number] = error.regions

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0] == ((64, 100, 64, 50),)
    for i in range(1, 4):
        np.testing.assert_array_equal(results[i], PIXELS[110:130, 140:160])
