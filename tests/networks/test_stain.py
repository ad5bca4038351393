"""Changes of stain, against scikit-image's colour deconvolution and numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import hed_from_rgb, rgb_from_hed

from stnclf import STNCellClassifier
from stnclf.networks._stain import restained
from stnclf.sampling import Augmentation, TrainingBatches
from tests.conftest import QUICK, make_blobs
from tests.sampling.samples import make_data

NOTHING = torch.tensor([[[1.0, 1, 1], [0, 0, 0]]])


def colours(n=2, n_views=1, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.uniform(0.1, 0.9, (n, 3 * n_views, 4, 5)).astype(np.float32))


def test_no_change_is_no_change():
    images = colours(n_views=2)
    torch.testing.assert_close(restained(images, NOTHING.expand(2, 2, 3)), images)


def test_haematoxylin_is_that_of_scikit_image():
    # Its first two stains are those of the same paper; the third one is another.
    vectors = rgb_from_hed[:2] / np.linalg.norm(rgb_from_hed[:2], axis=1, keepdims=True)
    amounts = np.random.default_rng(1).uniform(0.05, 1.0, (20, 2))
    image = np.exp(-amounts @ vectors)
    more = np.exp(-(amounts * [1.5, 0.5] + [0.1, 0.0]) @ vectors)
    change = torch.tensor([[[1.5, 0.5, 7.0], [0.1, 0.0, 0.0]]])
    shaped = torch.from_numpy(image.T[None, :, None].astype(np.float32))
    found = restained(shaped, change)[0, :, 0].T.numpy()
    np.testing.assert_allclose(found, more, atol=2e-5)
    assert hed_from_rgb.shape == (3, 3)


def test_each_image_and_view_has_its_own_change():
    images = colours(3, 2)
    change = NOTHING.repeat(3, 1, 1)
    change[1, 0, 0], change[2, 1, 1] = 0.5, 0.2
    whole = restained(images, change)
    for i in range(3):
        for view in (slice(0, 3), slice(3, 6)):
            one = restained(images[i : i + 1, view], change[i : i + 1])
            torch.testing.assert_close(whole[i : i + 1, view], one)
    torch.testing.assert_close(whole[0], images[0])
    assert (whole[2] < images[2]).all()  # more eosin is darker


def test_black_and_white_stay_finite_and_inside():
    images = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    for factor, shift in ((0.2, 0.0), (1.8, -0.5), (1.0, 0.9)):
        change = torch.tensor([[[factor] * 3, [shift] * 3]])
        found = restained(images, change)
        assert torch.isfinite(found).all()
        assert found.min() >= 0
        assert found.max() <= 1


def test_draws_are_those_of_the_amount_and_leave_the_others_as_they_are():
    data = make_data(n=64)
    how = {"data": data, "seed": (1, 2), "batch_size": 8, "around": None, "balance": False}
    plain = TrainingBatches(**how, augment=Augmentation()).plan(3)
    more = TrainingBatches(**how, augment=Augmentation(stain=0.2)).plan(3)
    for name in ("index", "angles", "offsets", "flips", "zooms", "jitter"):
        assert np.array_equal(getattr(plain, name), getattr(more, name))
    assert np.array_equal(more.color[:, :2], plain.color)
    assert more.color.shape == (64, 4, 3)
    assert 0.15 < np.abs(more.color[:, 2] - 1).max() <= 0.2
    assert 0.15 < np.abs(more.color[:, 3]).max() <= 0.2
    assert len(np.unique(more.color[:, 2])) == 64 * 3


@pytest.mark.parametrize("classifier", ["shared", "context"])
def test_training_sees_other_stains_and_is_the_same_for_a_seed(blobs, classifier):
    X, y, centers = blobs
    states = []
    for stain in (0.0, 0.3, 0.3):
        clf = STNCellClassifier(classifier=classifier, augment=Augmentation(stain=stain), **QUICK)
        states.append(clf.fit(X, y, centers=centers).net_.module_.state_dict())
    names = [name for name in states[0] if name.endswith("weight")]
    assert not all(torch.equal(states[0][name], states[1][name]) for name in names)
    assert all(torch.equal(states[1][name], states[2][name]) for name in states[1])


def test_images_that_have_no_stain_are_refused():
    X, y, centers = make_blobs(12)
    clf = STNCellClassifier(augment=Augmentation(stain=0.1), **QUICK)
    with pytest.raises(ValueError, match=r"augment: got stain=0.1 for 1 channel of"):
        clf.fit(X[..., :1], y, centers=centers)
    with pytest.raises(ValueError, match=r"augment: got stain=0.1 for 3 .*numbers from"):
        clf.fit(X.astype(np.float32) - 120.0, y, centers=centers)
