"""The training step: micro-batches, running statistics, compiled networks."""

import pickle
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from stnclf import STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.networks import STNNet
from stnclf.sampling import Augmentation, TrainingBatches
from stnclf.training import Stage, learning_rate, stage_loss
from stnclf.training._stage_run import StageRun
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
    net.stage = JOINT
    run = StageRun(net, make_data(), 0)
    assert [id(p) for p in run.parameters] == [id(p) for p in parameters]
    for part in batch.split(3):
        for total, grad in zip(parts, run.micro_step(system, part, 10)[0]):
            total += grad
    for ours, expected in zip(parts, whole):
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-4)


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


def test_a_net_has_nothing_of_a_stage_that_is_over():
    net = make_net(make_stn())
    data = make_data(n=24, image=(80, 120), patch=(64, 96), cell=(32, 48))
    net.run_stage(JOINT, data)
    assert net.running is None
    assert not net.optimizer_.state
    net.running = StageRun(net, data, 0)
    net.running.workers.pool = threading.Lock()  # cannot be pickled
    again = pickle.loads(pickle.dumps(net))
    assert again.running is None
    assert again.epochs_done == {"joint": 1}


def test_rates_go_on_where_a_checkpoint_left_off():
    net = make_net(make_stn(), schedule="one-cycle")
    data = make_data(n=40, image=(80, 120), patch=(64, 96), cell=(32, 48))
    net.stage = replace(JOINT, epochs=4)
    net.epochs_done = {"joint": 7}  # five of an earlier fit, two of this one
    run = StageRun(net, data, 2)
    batches = TrainingBatches(data, (3, 4), 16, None, False, Augmentation.only(), epoch=7)
    run.begin_epoch(batches)
    assert (run.epochs_before, run.n_steps, run.steps_done) == (5, 12, 6)
    assert run.rate(6) == learning_rate("one-cycle", JOINT.lr, 0.5)
