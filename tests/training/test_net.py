"""The training step, parts of batches, the schedule, threads."""

import numpy as np
import pytest
import torch

from stnclf.classifier import STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.networks import STNNet
from stnclf.training import CellNet, Stage, stage_loss
from tests.networks.test_stn import make_stn
from tests.sampling.samples import make_data
from tests.training.test_stage import JOINT, make_batch, make_net


def test_micro_batches_add_up_to_the_whole_gradient():
    # The dense system has no batch statistics, so that parts must sum to the whole.
    system, batch = make_stn("dense"), make_batch(10)
    batch.weight = torch.linspace(0.2, 1.8, 10)
    loss, _ = stage_loss(system, batch, JOINT)
    parameters = list(system.parameters())
    whole = torch.autograd.grad((loss * batch.weight).mean(), parameters)
    parts = [torch.zeros_like(p) for p in parameters]
    net = make_net(system)
    net.stage, net.parameters = JOINT, parameters
    for part in batch.split(3):
        for total, grad in zip(parts, net._micro_step(system, part, 10)[0]):
            total += grad
    for ours, expected in zip(parts, whole):
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-4)


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


def test_batch_statistics_are_the_means_of_the_micro_batches():
    system = make_stn()
    net = make_net(system)
    data = make_data(n=32, image=(80, 120), patch=(64, 96), cell=(32, 48))
    norm = system.localizer.features[1]
    seen = []
    handle = norm.register_forward_hook(lambda module, args, out: seen.append(args[0].detach()))
    one_step = Stage("localizer", ("localizer",), None, True, 1.0, 1, 1e-3)
    net.balance, net.batch_size = False, 32
    net.run_stage(one_step, data)
    handle.remove()
    # Hooks are copied with the replicas: two micro-batches of 16, momentum 0.1 from zero.
    assert [len(x) for x in seen] == [16, 16]
    expected = 0.1 * torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    torch.testing.assert_close(norm.running_mean, expected, atol=1e-5, rtol=1e-4)


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


def test_a_compiler_that_fails_costs_a_warning_only(monkeypatch):
    def fail(self):
        for network in (self.localizer, self.classifier):
            network._compiled_call_impl = broken

    def broken(*args):
        raise OSError("no compiler\nat all")

    X, y, centers = make_cells(12, patch_size=64, offset=4, random_state=0)
    epochs = {"classifier_epochs": 1, "localizer_epochs": 1, "joint_epochs": 1}
    clf = STNCellClassifier(compile=True, random_state=0, **epochs)
    monkeypatch.setattr(STNNet, "compile_networks", fail)
    with pytest.warns(RuntimeWarning, match=r"compile: .*OSError: no compiler\); .*without it"):
        clf.fit(X, y, centers=centers)
    plain = STNCellClassifier(random_state=0, **epochs).fit(X, y, centers=centers)
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
