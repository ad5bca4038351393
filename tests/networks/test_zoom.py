"""The network that looks again where its localizer found something."""

import numpy as np
import pytest
import torch

import stnclf
from stnclf import Augmentation, STNCellClassifier
from stnclf.geometry import theta_centers
from stnclf.networks import (
    SYMMETRIES,
    Candidates,
    Location,
    SharedLocalizer,
    ZoomClassifier,
    ZoomNet,
    initialize,
)
from stnclf.sampling import TrainingBatches
from stnclf.training import CellNet, guided_stages, stage_loss
from tests.conftest import QUICK
from tests.sampling.samples import make_data


def make_zoom(patch=(64, 96), cell=(32, 48), channels=3, k=3, seed=0):
    scale = (cell[1] / patch[1], cell[0] / patch[0])
    localizer = SharedLocalizer(channels, patch, scale)
    classifier = ZoomClassifier(localizer.n_maps, 4)
    mean, std = np.full(channels, 0.5), np.full(channels, 0.25)
    system = ZoomNet(localizer, classifier, patch, cell, mean, std)
    system.n_glimpses = k
    return initialize(system, torch.Generator().manual_seed(seed)).eval()


def random_patches(n=2, patch=(64, 96), channels=3):
    return torch.rand(n, channels, *patch, generator=torch.Generator().manual_seed(3))


def let_the_patch_speak(system):
    """Undo that the patch has no say before it has learned anything."""
    weight = system.classifier.output.weight
    with torch.no_grad():
        weight += 0.2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(5))
    return system


@pytest.mark.parametrize("channels", [1, 3, 7])
@pytest.mark.parametrize("patch", [(64, 96), (33, 20), (8, 8), (300, 200)])
def test_takes_any_patch_and_every_weight_learns(patch, channels):
    system = make_zoom(patch, tuple(side // 2 for side in patch), channels).train()
    let_the_patch_speak(system)
    patches = random_patches(3, patch, channels)
    location = system.locate(patches)
    seen = system.candidates(patches, location)
    assert seen.thetas.shape == (3, 3, 2, 3)
    assert seen.mixture().shape == (3, 4)
    assert seen.best().shape == (3, 2, 3)
    (seen.mixture().square().sum() + location.heatmap.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in system.parameters())


def test_mixture_and_best_by_hand():
    thetas = torch.arange(12.0).view(1, 2, 2, 3)
    shares, proba = torch.tensor([[0.25, 0.75]]), torch.tensor([[[0.9, 0.1], [0.2, 0.8]]])
    seen = Candidates(thetas, shares.log() + 7, proba.log() - 2)  # logits, up to a constant
    expected = torch.tensor([[0.25 * 0.9 + 0.75 * 0.2, 0.25 * 0.1 + 0.75 * 0.8]])
    torch.testing.assert_close(seen.mixture().exp(), expected)
    assert torch.equal(seen.best(), thetas[:, 1])


def test_window_is_an_integer_crop_of_the_pixels():
    system = let_the_patch_speak(make_zoom((96, 120), (48, 48)))
    patches = random_patches(1, (96, 120))
    left, top = 31, 7
    shift = (2 * (left + 24) / 120 - 1, 2 * (top + 24) / 96 - 1)
    theta = torch.tensor([[[48 / 120, 0, shift[0]], [0, 48 / 96, shift[1]]]])
    with torch.no_grad():
        seen = system.candidates(patches, Location(theta, None))
        crop = system.standardize(patches[:, :, top : top + 48, left : left + 48])
        features = system.classifier.read_patch(system.locate(patches).features)
        logits, match = system.classifier(system.trunk(crop), features)
    named = logits.log_softmax(1)
    torch.testing.assert_close(seen.logits[:, 0], named, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(seen.scores[:, 0], match, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("sides", [((64, 64), (32, 32)), ((64, 96), (20, 48))])
def test_candidates_are_the_peaks_and_tta_averages_over_turned_windows(sides):
    patch, cell = sides
    system = let_the_patch_speak(make_zoom(patch, cell))
    patches = random_patches(patch=patch)
    with torch.no_grad():
        location = system.locate(patches)
        thetas, shares = system.localizer.glimpses(location.heatmap, 3)
        features = system.classifier.read_patch(location.features)
        seen = system.candidates(patches, location, tta=True)
        assert torch.equal(seen.thetas, thetas)
        for j in range(3):
            proba, match = torch.zeros(2, 4), torch.zeros(2)
            for turned in SYMMETRIES:
                window = turned(system.attend(patches, thetas[:, j]))
                logits, one = system.classifier(system.trunk(system.standardize(window)), features)
                proba, match = proba + logits.softmax(1) / 8, match + one / 8
            torch.testing.assert_close(seen.logits[:, j].exp(), proba)
            torch.testing.assert_close(seen.scores[:, j], shares[:, j] + match)
        plain = system.candidates(patches, location)
    assert (plain.scores - seen.scores).abs().max() > 1e-4


def test_the_place_that_matches_best_is_believed():
    system, patches = make_zoom(), random_patches(6)
    with torch.no_grad():
        system.classifier.match.weight.mul_(30)
        location = system.locate(patches)
        seen = system.candidates(patches, location)
        theta = system(patches)[1]
        windows = system.look(patches)
    assert torch.equal(theta, seen.best())
    elsewhere = (theta - location.theta).abs().amax((1, 2)) > 0.05
    assert elsewhere.any()
    assert torch.equal(windows, system.attend(patches, theta))
    system.n_glimpses = 1
    assert torch.equal(system(patches)[1], location.theta)


def test_first_stage_sees_nothing_but_the_window():
    system, patches = (
        let_the_patch_speak(make_zoom((64, 64), (32, 32))),
        random_patches(2, (64, 64)),
    )
    theta = torch.tensor([[[0.5, 0, -0.25], [0, 0.5, 0.25]]]).expand(2, 2, 3)  # rows 24 to 55
    changed = patches.clone()
    changed[:, :, :22] = 0
    known = system.classify_known(patches, theta)
    assert torch.equal(known, system.classify_known(changed, theta))
    location = Location(theta, None)
    other = system.recognize(changed, location) - system.recognize(patches, location)
    assert other.abs().max() > 1e-3
    # Before it has learned anything the patch has no say.
    fresh = make_zoom((64, 64), (32, 32))
    named = fresh.classify_known(patches, theta).log_softmax(1)
    torch.testing.assert_close(fresh.recognize(changed, location), named)


def stages():
    # The patch's features get their first gradient when they have a say, after a step.
    params = STNCellClassifier(classifier_epochs=2, localizer_epochs=2, joint_epochs=2)
    return guided_stages(params, (3e-3, 2e-3, 1e-3), shared=True)


def moved(name):
    """Names of the parts whose weights a stage changes, and the system."""
    system, data = make_zoom((32, 32), (16, 16)), make_data(24, (48, 48), (32, 32), (16, 16))
    before = {n: p.clone() for n, p in system.named_parameters()}
    CellNet.around(system).run_stage(stages()[name], data)
    changed = {n for n, p in system.named_parameters() if not torch.equal(p, before[n])}
    return {".".join(n.split(".")[: 3 if "features" in n else 2]) for n in changed}, system


def test_stages_begin_with_the_window_and_then_compare():
    first = {"localizer.features.shared", "classifier.window", "classifier.output"}
    changed, system = moved("classifier")
    assert changed == first
    assert not system.classifier.output.weight[:, 128:].any()
    rest = {"localizer.features.own", "localizer.position", "classifier.patch", "classifier.match"}
    assert moved("localizer")[0] == moved("joint")[0] == first | rest


def test_losses_of_the_stages():
    system, data = make_zoom((32, 32), (16, 16)), make_data(8, (48, 48), (32, 32), (16, 16))
    (batch,) = TrainingBatches(data, [0], 8, None, False, Augmentation.only(True))
    losses = {name: stage_loss(system, batch, stage) for name, stage in stages().items()}
    assert list(losses["classifier"][1]) == ["classification_loss"]
    names = ["localization_loss", "match_loss", "classification_loss"]
    for name in ("localizer", "joint"):
        whole, parts = losses[name]
        assert list(parts) == names
        torch.testing.assert_close(whole, sum(parts.values()))
    labels = [losses[name][1]["classification_loss"] for name in ("localizer", "joint")]
    assert (labels[0] - labels[1]).abs().max() > 1e-3


def make_lookalikes(n, seed):
    """Patches with two discs of equal mean; the cell is the one made of single dark pixels.

    At the localizer's 64 px for 144 the two look the same. What the cell is called depends on its
    colour, which the other disc, of the other colour, contradicts.
    """
    rng = np.random.default_rng(seed)
    X = rng.integers(150, 170, (n, 144, 144, 3)).astype(np.uint8)
    rows, columns = np.mgrid[:144, :144]
    y, centers = rng.integers(0, 2, n), np.empty((n, 2))
    corners = np.array([[36, 36], [108, 36], [36, 108], [108, 108]])
    for i, image in enumerate(X):
        places = rng.permutation(corners)[:2] + rng.integers(-15, 16, (2, 2))
        centers[i] = places[0]
        for (cx, cy), fine, tint in zip(places, (True, False), (y[i], 1 - y[i])):
            disc = (columns - cx) ** 2 + (rows - cy) ** 2 <= 11**2
            pixels = np.where((rows + columns) % 2, 30, 130) if fine else np.full(rows.shape, 80)
            image[disc] = pixels[disc][:, None]
            image[disc, 2 * tint] += 60
    return X, np.array(["red", "blue"])[y], centers


def test_finds_what_only_the_pixels_tell():
    clf = STNCellClassifier(
        cell_size=36,
        classifier="zoom",
        n_glimpses=2,
        classifier_epochs=4,
        localizer_epochs=16,
        joint_epochs=2,
        batch_size=8,
        augment=Augmentation(rotate=False, color=0.0),
        tta=False,
        random_state=0,
    )
    X, y, centers = make_lookalikes(64, 0)
    clf.fit(X, y, centers=centers)
    X, y, centers = make_lookalikes(60, 1)
    found = np.hypot(*(clf.transform(X) - centers).T) < 8
    module, patches = clf.net_.module_, torch.from_numpy(X).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        first = theta_centers(module.locate(patches).theta.numpy(), (144, 144))
    at_first = np.hypot(*(first - centers).T) < 8
    assert found.mean() > 0.9
    assert clf.score(X, y) > 0.9
    assert 0.3 < at_first.mean() < 0.7


def test_files_transfer_and_history_know_it(blobs, tmp_path):
    X, y, centers = blobs
    settings = {**QUICK, "classifier": "zoom", "n_glimpses": 2}
    clf = STNCellClassifier(**settings).fit(X, y, centers=centers)
    for row in clf.history_:
        assert ("match_loss" in row) == (row["stage"] != "classifier")
        names = ("localization_loss", "match_loss", "classification_loss")
        assert sum(row.get(name, 0) for name in names) == pytest.approx(row["train_loss"], rel=1e-4)
    stnclf.save(clf, tmp_path / "model.safetensors")
    again = stnclf.load(tmp_path / "model.safetensors")
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert np.array_equal(again.transform(X), clf.transform(X))
    nothing = dict.fromkeys(("classifier_epochs", "localizer_epochs", "joint_epochs"), 0)
    taken = STNCellClassifier(**{**settings, **nothing}, init=clf).fit(X, y, centers=centers)
    assert np.array_equal(taken.predict_proba(X), clf.predict_proba(X))
