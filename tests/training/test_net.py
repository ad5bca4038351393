"""The training step, parts of batches, the schedule, threads."""

import torch

from stnclf.classifier import STNCellClassifier
from stnclf.training import CellNet
from tests.networks.test_stn import make_stn
from tests.sampling.samples import make_data
from tests.training.test_stage import JOINT


def test_the_number_of_threads_changes_nothing():
    before, digests = torch.get_num_threads(), []
    data = make_data(n=40, image=(80, 120), patch=(64, 96), cell=(32, 48))
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        try:
            system = make_stn()
            net = CellNet(system, batch_size=33, seed=3, device="cpu", verbose=0).initialize()
            net.run_stage(JOINT, data)
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
        digests.append(torch.cat([p.flatten().double() for p in system.state_dict().values()]))
    assert torch.equal(digests[0], digests[1])
    assert torch.equal(digests[0], digests[2])


def test_schedule_spans_the_stage(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(
        classifier_epochs=5, localizer_epochs=0, joint_epochs=2, batch_size=8, random_state=0
    ).fit(X, y, centers=centers)
    rates = [row["lr"] for row in clf.history_ if row["stage"] == "classifier"]
    assert rates[0] > rates[-1]
    assert rates[-1] < 0.02 * 3e-3
    joint = [row["lr"] for row in clf.history_ if row["stage"] == "joint"]
    assert joint[0] <= 5e-4
