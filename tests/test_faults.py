"""Kills, full disks and folders that cannot be written: nothing that was there is lost."""

import contextlib
import os
import resource
import tempfile
from pathlib import Path

import pytest
from sklearn.base import clone

import stnclf
from stnclf import CiresanBaseline
from tests.conftest import make_blobs
from tests.processes import kill
from tests.training.test_checkpoint import assert_same, interrupted

KEPT = CiresanBaseline(epochs=6, batch_size=6, random_state=0)

PROGRAM = """
import sys, time
from skorch.callbacks import Callback
from tests.test_faults import KEPT, make_blobs

class Wait(Callback):
    def on_batch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            print("ready", flush=True)
            time.sleep(100)

KEPT.set_params(checkpoint=sys.argv[1], callbacks=[Wait()]).fit(*make_blobs(16, 20, 28))
"""


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(16, 20, 28)


def test_a_fit_that_was_killed_goes_on(blobs, tmp_path):
    path = tmp_path / "a"
    kill(PROGRAM, [path], path.exists)
    resumed = clone(KEPT).set_params(checkpoint=path).fit(*blobs)
    assert_same(resumed, clone(KEPT).fit(*blobs))


@contextlib.contextmanager
def full_disk(folder):
    """No file may have more than 20 kB, which is as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def read_only(folder):
    """Nobody may write to the folder; root, who always may, becomes somebody else."""
    root = os.geteuid() == 0
    folder.chmod(0o555)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.parametrize("fault", [full_disk, read_only])
def test_the_earlier_files_stay_and_the_error_names_the_path(fault, blobs):
    with tempfile.TemporaryDirectory() as name:  # others can reach it, but not pytest's
        folder = Path(name).resolve()
        folder.chmod(0o755)
        kept = clone(KEPT).set_params(checkpoint=folder / "checkpoint")
        part = interrupted(kept, 3, blobs)
        stnclf.save(part.set_params(callbacks=None), folder / "model")
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        with fault(folder), pytest.raises(OSError, match="could not be written") as failed_fit:
            kept.fit(*blobs)
        with fault(folder), pytest.raises(OSError, match="could not be written") as failed_save:
            stnclf.save(part, folder / "model")
        assert failed_fit.value.filename == str(folder / "checkpoint")
        assert failed_save.value.filename == str(folder / "model")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        if fault is full_disk:  # a full disk shows at the end of an epoch, which is not lost
            assert len(kept.history_) == 3
            assert kept.predict(blobs[0]).shape == (16,)
        assert_same(clone(kept).fit(*blobs), clone(KEPT).fit(*blobs))
