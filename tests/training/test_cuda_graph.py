"""Steps on resident images: the same training as batch by batch."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EpochTimer, GradientNormClipping

from stnclf import STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.sampling import Augmentation, CellDataset, Frame, TrainingBatches
from stnclf.training import Stage, stage_loss
from stnclf.training._cuda_graph import ResidentSteps, on_device, watches_batches

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
AUGMENT = Augmentation(center=0.1)
FRAME = Frame((72, 72), (64, 64), (32, 32))
STAGES = {
    "classifier": Stage("classifier", ("classifier",), "cell", False, 1.0, 2, 1e-3),
    "localizer": Stage("localizer", ("localizer",), None, True, 1.0, 2, 1e-3),
    "shared, first": Stage("classifier", ("trunk", "classifier"), "cell", False, 1.0, 2, 1e-3),
    "shared, second": Stage("localizer", ("localizer", "classifier"), "cell", True, 1.0, 2, 1e-3),
    "joint": Stage("joint", ("localizer", "classifier"), "window", True, 1.0, 2, 1e-3),
}


def cells(n=23):
    X, y, _ = make_cells(n, patch_size=72, offset=0, random_state=1)
    y = np.unique(y, return_inverse=True)[1].astype(np.int64)
    rng = np.random.default_rng(2)
    centers = 35.5 + rng.uniform(-5, 5, (n, 2))
    return CellDataset(
        X, np.arange(n)[::-1].copy(), y, centers, rng.uniform(0.5, 2, n).astype(np.float32), FRAME
    )


def untrained(data, stage):
    own = stage.learns in (("classifier",), ("localizer",))
    clf = STNCellClassifier(
        patch_size=64,
        classifier="context" if own else "shared",
        classifier_epochs=0,
        localizer_epochs=0,
        joint_epochs=0,
        random_state=0,
    )
    return clf.fit(data.X, data.y).net_.module_


def train(data, stage, device="cpu", graph=False):
    """Two epochs on resident images; weights and mean losses."""
    module = untrained(data, stage).to(device)
    parts = [getattr(module, name).train() for name in stage.learns]
    parameters = [p for part in parts for p in part.parameters()]

    def gradients(batch):
        loss, _ = stage_loss(module, batch, stage)
        mean = (loss * batch.weight).sum() / len(batch)
        return torch.autograd.grad(mean, parameters, allow_unused=True), {"loss": mean.detach()}

    steps = ResidentSteps(
        on_device(data, device), gradients, parameters, list(module.buffers()), 1e-3, 0.01, graph
    )
    batches = TrainingBatches(data, (3, 4), 9, None, False, AUGMENT)
    losses = [steps.run(batches.positions(), [1e-3, 5e-4, 2e-4], 9)["loss"] for _ in range(2)]
    return losses, module.cpu()


def train_plainly(data, stage):
    """The same epochs, batch by batch, from sources cut out of the images."""
    module = untrained(data, stage)
    parts = [getattr(module, name).train() for name in stage.learns]
    parameters = [p for part in parts for p in part.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1.0, weight_decay=0.01)
    around = module.around if stage.classifies == "cell" else None
    batches = TrainingBatches(data, (3, 4), 9, around, False, AUGMENT)
    losses = []
    for _ in range(2):
        total = 0.0
        for batch, rate in zip(batches, [1e-3, 5e-4, 2e-4]):
            loss = (stage_loss(module, batch, stage)[0] * batch.weight).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / len(data))
    return losses, module


def assert_same(data, stage, one, other, share):
    """Weights differ by less than a share of what was learned; Adam magnifies rounding."""
    assert one[0] == pytest.approx(other[0], rel=share / 10)
    start = untrained(data, stage).state_dict()
    moved, apart = 0.0, 0.0
    for (name, a), b in zip(one[1].state_dict().items(), other[1].state_dict().values()):
        if name.endswith("num_batches_tracked"):
            assert a == b
            continue
        moved += (a - start[name]).abs().sum()
        apart += (a - b).abs().sum()
    assert moved > 0
    assert apart < share * moved


@pytest.mark.parametrize("name", STAGES)
def test_resident_steps_train_as_batches_do(name):
    data = cells()
    assert_same(
        data, STAGES[name], train(data, STAGES[name]), train_plainly(data, STAGES[name]), 0.05
    )


@GPU
@pytest.mark.parametrize("name", STAGES)
def test_recorded_steps_train_as_batches_do(name, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    data = cells()
    recorded = train(data, STAGES[name], "cuda", graph=True)
    assert_same(data, STAGES[name], recorded, train_plainly(data, STAGES[name]), 0.2)


@GPU
@pytest.mark.parametrize("localizer", ["heatmap", "dense"])
def test_gpu_learns_what_the_cpu_learns(localizer):
    X, y, centers = make_cells(300, patch_size=64, offset=8, random_state=0)
    scores = []
    for device in ("cpu", "cuda"):
        clf = STNCellClassifier(
            localizer=localizer,
            classifier_epochs=10,
            localizer_epochs=10,
            joint_epochs=3,
            device=device,
            random_state=0,
        )
        clf.fit(X[:200], y[:200], centers=centers[:200])
        error = np.linalg.norm(clf.transform(X[200:]) - centers[200:], axis=1)
        scores.append(
            (clf.history_[-1]["train_loss"], clf.score(X[200:], y[200:]), np.median(error))
        )
    print(scores)
    np.testing.assert_allclose(scores[0][0], scores[1][0], rtol=0.3)
    assert scores[1][1] > scores[0][1] - 0.1
    assert scores[1][2] < scores[0][2] + 2


@pytest.mark.parametrize("dtype", [">f4", ">f8", np.longdouble], ids=str)
def test_on_device_takes_any_floats(dtype):
    data = cells()
    X = (data.X / 255).astype(dtype)
    images = on_device(CellDataset(X, data.rows, data.y, data.centers, data.weight, FRAME), "cpu")
    np.testing.assert_array_equal(images, X[data.rows].astype(np.float32))


def test_on_device_takes_the_rows_of_the_data_set():
    data = cells()
    images = on_device(data, "cpu")
    assert images.dtype == torch.uint8
    np.testing.assert_array_equal(images, data.X[data.rows])
    assert data.n_bytes() == images.numel()
    floats = CellDataset(
        data.X / np.float64(255), data.rows, data.y, data.centers, data.weight, FRAME
    )
    images = on_device(floats, "cpu")
    assert images.dtype == torch.float32
    assert floats.n_bytes() == 4 * images.numel()
    np.testing.assert_allclose(images, floats.X[floats.rows], rtol=1e-6)


def test_watches_batches_knows_who_needs_single_steps():
    class Watcher(Callback):
        def on_batch_end(self, net, **kwargs):
            pass

    assert watches_batches(Watcher())
    assert watches_batches(GradientNormClipping(1.0))
    assert not watches_batches(EpochTimer())
