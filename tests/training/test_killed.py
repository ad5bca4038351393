"""A fit that SIGKILL ends in the writing of a checkpoint resumes to the same weights."""

import hashlib
import json
import os
import signal

import pytest
import torch

from stnclf import STNCellClassifier
from stnclf.datasets import make_cells
from tests.processes import server

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's /proc")


def train(checkpoint, result, moment):
    """Fit, and write the weights' digest and the history; die at a moment if there is one."""
    torch.set_num_threads(1)
    if moment is not None:
        die_in_writing(*moment)
    X, y, centers = make_cells(12, patch_size=56, offset=4, random_state=0)
    model = STNCellClassifier(
        classifier_epochs=2,
        localizer_epochs=2,
        joint_epochs=1,
        batch_size=8,
        random_state=0,
        checkpoint=checkpoint,
    ).fit(X, y, centers=centers)
    digest = hashlib.sha256()
    for name, tensor in model.net_.module_.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in model.history_]
    result.write_text(json.dumps([digest.hexdigest(), rows]))


def die_in_writing(number, place):
    """Kill this process in the writing of its checkpoint of this number."""
    fsync, replace, count = os.fsync, os.replace, iter(range(number))

    def patched_fsync(descriptor):
        file = not os.path.isdir(f"/proc/self/fd/{descriptor}")
        if place == "half written" and file and next(count, None) is None:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)

    def patched_replace(source, target):
        last = place != "half written" and next(count, None) is None
        if last and place == "not yet named":
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync, os.replace = patched_fsync, patched_replace


def run(*arguments):
    """Train in a process of its own; its exit code."""
    process = server().Process(target=train, args=arguments)
    process.start()
    process.join()
    return process.exitcode


def test_a_killed_fit_ends_with_the_weights_of_an_uninterrupted_one(tmp_path):
    whole = tmp_path / "whole.json"
    assert run(None, whole, None) == 0
    moments = [(0, "half written"), (1, "not yet named"), (1, "just named")]
    checkpoint, result = tmp_path / "a.checkpoint", tmp_path / "a.json"
    # One training, killed three times; each process counts the checkpoints that it writes itself.
    left = []
    for number, place in moments:
        assert run(checkpoint, result, (number, place)) == -signal.SIGKILL, place
        assert not result.exists()
        left.append(checkpoint.exists())
    assert left == [False, True, True]
    assert run(checkpoint, result, None) == 0
    assert json.loads(result.read_text()) == json.loads(whole.read_text())
    assert len(json.loads(result.read_text())[1]) == 5
