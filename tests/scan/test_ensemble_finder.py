"""Finders for an ensemble, against what each member says of the same places."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from stnclf import CiresanBaseline, Ensemble, STNCellClassifier
from stnclf.ensemble import members_of
from stnclf.networks import Location, centred_theta
from stnclf.scan import scan
from stnclf.scan._ensemble_finder import ScanNet, finder_for_ensemble
from stnclf.scan._finders import Block, PatchFinder, WindowFinder
from stnclf.scan._heatmap_finder import HeatFinder, SharedFinder
from stnclf.scan._map_finder import MapFinder
from stnclf.scan._scan import identity
from stnclf.slides import Slide
from tests.scan.conftest import SIZES, UNTRAINED
from tests.scan.test_finders import ALL, PLANE, by_place, find, patch_at, pixels_of

KINDS = {
    "shared": STNCellClassifier(**UNTRAINED, **SIZES),
    "context": STNCellClassifier(classifier="context", **UNTRAINED, **SIZES),
    "dense": STNCellClassifier(localizer="dense", **UNTRAINED, **SIZES),
    "baseline": CiresanBaseline(epochs=0, random_state=0, **SIZES),
    "whole": STNCellClassifier(
        **{**UNTRAINED, **SIZES, "cell_size": SIZES["patch_size"]}, tta=False
    ),
}


@pytest.fixture(scope="module")
def ensembles(blobs):
    """Three members each, with weights that differ."""
    X, y, centers = blobs
    made = {}
    for name, kind in KINDS.items():
        members = []
        for seed in range(3):
            member = kind.set_params(random_state=seed).__sklearn_clone__()
            # Means and standard deviations of their own.
            member.fit(X[seed::3], y[seed::3], centers=centers[seed::3])
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                for p in member.net_.module_.parameters():
                    p.add_(0.02 * torch.randn(p.shape, generator=generator))
            members.append(member)
        made[name] = Ensemble(members)
    return made


def finders(ensemble, kind, *more, tta=False):
    """Make the finder of an ensemble, and those of its members."""
    net = ScanNet([m.net_.module_.eval() for m in members_of(ensemble)], *SIZES.values())
    made = [finder_for_ensemble(kind)(net, ensemble, ALL, 0, *more)]
    made += [kind(m.net_.module_, m, ALL, 0, *more) for m in members_of(ensemble)]
    for finder in made:
        finder.tta = tta
    return made


@pytest.mark.parametrize("name", ["shared", "context"])
@pytest.mark.parametrize("tta", [False, True])
def test_each_peak_is_classified_by_all_members(ensembles, name, tta):
    first = finders(ensembles[name], HeatFinder, tta=tta)[0]
    found = find(first, Block(40, 9, 70, 35))
    assert len(found.label) > 5
    for (x, y), proba, label in zip(*found):
        left, top = round(x - 15.5), round(y - 11.5)
        centre = torch.tensor([[(2 * (x - left) + 1) / 32 - 1, (2 * (y - top) + 1) / 24 - 1]])
        known = Location(centred_theta(centre.float(), (0.5, 0.5)), None)
        with torch.no_grad():
            each = np.stack(
                [
                    m.net_.module_.recognize(patch_at(left, top), known, tta=tta).softmax(1)[0]
                    for m in members_of(ensembles[name])
                ]
            )
        np.testing.assert_allclose(proba[:2], each.mean(0), atol=1e-3)
        np.testing.assert_allclose(proba[2:], each.std(0), atol=1e-3)
        assert label == proba[:2].argmax()


def test_peaks_are_those_of_the_mean_map(ensembles):
    first, *others = finders(ensembles["shared"], SharedFinder)
    block, seen = Block(30, 10, 60, 40), []

    def spy(finder):
        peaks = finder.peaks
        finder.peaks = lambda logits, *a: seen.append(logits) or peaks(logits, *a)

    for finder in (first, *others):
        spy(finder)
        find(finder, block)
    torch.testing.assert_close(seen[0], torch.stack(seen[1:]).mean(0), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", [SharedFinder, HeatFinder])
@pytest.mark.parametrize("tta", [False, "undecided"])
def test_members_that_are_the_same_find_what_one_finds(ensembles, kind, tta):
    one = members_of(ensembles["shared"])[1]
    first, other, *_ = finders(Ensemble([one, one, one]), kind, tta=tta)
    block = Block(30, 10, 60, 40)
    found, expected = by_place(find(first, block)), by_place(find(other, block))
    assert len(expected[2]) > 5
    np.testing.assert_allclose(found[0], expected[0], atol=1e-4)
    np.testing.assert_allclose(found[1][:, :2], expected[1], atol=1e-5)
    np.testing.assert_allclose(found[1][:, 2:], 0, atol=1e-6)


@pytest.mark.parametrize(("name", "kind"), [("dense", WindowFinder), ("baseline", PatchFinder)])
def test_patches_are_those_of_predict(ensembles, name, kind):
    ensemble = ensembles[name]
    finder = finders(ensemble, kind, (16, 12))[0]
    block = Block(2, 3, 6, 6)
    corners = block.positions() * (16, 12) - (8, 6)
    X = np.stack([PLANE[y : y + 24, x : x + 32] for x, y in corners])
    # Images of the estimators are larger: patches lie in their middle.
    whole = np.zeros((len(X), *ensemble.image_shape_), np.uint8)
    whole[:, : X.shape[1], 2:34] = X
    found = find(finder, block)
    points = ensemble.transform(whole) - (2, 0) + corners
    np.testing.assert_allclose(found.points, points, atol=1e-3)
    each = np.stack([m.predict_proba(whole) for m in members_of(ensemble)])
    if name == "baseline":  # the others average over symmetries
        np.testing.assert_allclose(found.proba[:, :2], each.mean(0), atol=1e-4)
        np.testing.assert_allclose(found.proba[:, 2:], each.std(0), atol=1e-4)


@pytest.mark.parametrize(("name", "stride"), [("baseline", 4), ("whole", 8)])
def test_maps_are_averaged(ensembles, name, stride):
    first, *others = finders(ensembles[name], MapFinder, (stride, stride))
    block = Block(2, 2, 20, 16) if name == "baseline" else Block(2, 2, 9, 7)
    box = first.box(block)
    grown = block.grown(*(first.halo + first.radius))
    with torch.no_grad():
        maps = first.maps(pixels_of(box), box, grown)
        each = torch.stack([f.maps(pixels_of(box), box, grown) for f in others])
    torch.testing.assert_close(maps[:2], each.mean(0))
    torch.testing.assert_close(maps[2:].unflatten(0, (3, 2)), each)
    assert np.array_equal(first.zoom, others[0].zoom)
    found = find(first, block)
    assert found.proba.shape == (len(found.label), 4)
    # The mean of three numbers from 0 to 1 tells how far apart they can be.
    assert np.all(found.proba[:, 2:] <= 0.5)
    same = finders(Ensemble([members_of(ensembles[name])[0]] * 2), MapFinder, (stride, stride))
    two, one = by_place(find(same[0], block)), by_place(find(same[1], block))
    np.testing.assert_allclose(two[0], one[0], atol=1e-3)
    np.testing.assert_allclose(two[1][:, :2], one[1], atol=1e-5)
    np.testing.assert_allclose(two[1][:, 2:], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "stride"), [("shared", None), ("dense", None), ("baseline", None), ("baseline", 4)]
)
def test_a_scan_has_the_disagreement(ensembles, name, stride, tmp_path):
    ensemble, slide = ensembles[name], Slide(PLANE, mpp=0.5)
    how = {"mpp": 0.5, "tissue": False, "min_probability": 0, "stride": stride}
    table = scan(ensemble, slide, **how, out=tmp_path / "cells.csv")
    assert table.columns[-1] == "disagreement"
    assert len(table) > 3
    assert table["disagreement"].between(0, 0.5).all()
    assert table["disagreement"].max() > 0
    columns = [f"probability_{label}" for label in ensemble.classes_]
    np.testing.assert_allclose(table[columns].sum(axis=1), 1, atol=1e-5)
    of_label = [row[f"probability_{row['label']}"] for _, row in table.iterrows()]
    assert of_label == table["probability"].tolist()
    read = pd.read_csv(tmp_path / "cells.csv")
    np.testing.assert_allclose(read["disagreement"], table["disagreement"])
    resumed = scan(ensemble, slide, **how, out=tmp_path / "cells.csv", resume=True)
    np.testing.assert_allclose(resumed["disagreement"], table["disagreement"])
    # Tiles change nothing, and neither do threads.
    again = scan(ensemble, slide, **how, tile_size=64, n_jobs=2)
    assert len(again) == len(table)
    np.testing.assert_allclose(again["probability"], table["probability"], atol=1e-4)
    empty = scan(ensemble, slide, **{**how, "min_probability": 1})
    assert empty.columns.tolist() == table.columns.tolist()


def test_classes_without_cells_and_objectness_are_those_of_the_members(blobs):
    X, y, centers = blobs
    y, centers = np.where(np.arange(40) % 4, y, "none"), centers.copy()
    centers[y == "none"] = np.nan
    members = [
        STNCellClassifier(**UNTRAINED, **SIZES).fit(X[i::2], y[i::2], centers=centers[i::2])
        for i in (0, 0)
    ]
    ensemble, slide = Ensemble(members), Slide(PLANE, mpp=0.5)
    assert members[0].objectness_
    assert ensemble.objectness_
    assert ensemble.has_cell_.tolist() == members[0].has_cell_.tolist() == [True, False]
    how = {"mpp": 0.5, "tissue": False, "min_probability": 0}
    table, one = (scan(e, slide, **how) for e in (ensemble, members[0]))
    assert len(one) > 3
    pd.testing.assert_frame_equal(table.drop(columns="disagreement"), one, atol=1e-3)
    assert table["disagreement"].max() < 1e-5
    plain = copy.deepcopy(members[0])
    plain.objectness_ = plain.net_.module_.objectness = False
    with pytest.raises(ValueError, match="SharedLocalizer, objectness; SharedNet, SharedLocal"):
        scan(Ensemble([members[0], plain]), slide, **how)


def test_a_single_estimator_has_none(ensembles):
    slide = Slide(PLANE, mpp=0.5)
    one = members_of(ensembles["shared"])[0]
    table = scan(one, slide, mpp=0.5, tissue=False, min_probability=0)
    assert "disagreement" not in table


def test_members_of_several_kinds_are_refused(ensembles):
    members = [members_of(ensembles[name])[0] for name in ("shared", "baseline")]
    with pytest.raises(ValueError, match=r"estimator: .*SharedNet, SharedLocalizer; CiresanNet"):
        scan(Ensemble(members), PLANE, mpp=None)


def test_each_member_counts_for_the_identity_of_a_run(ensembles):
    how = {"labels": None, "min_probability": 0.5, "mpp": 0.5}
    members = members_of(ensembles["baseline"])
    runs = [members, members[::-1], members[:2], members[:1]]
    models = [identity(Ensemble(m), **how)["model"]["sha256"] for m in runs]
    models.append(identity(members[0], **how)["model"]["sha256"])
    assert len(set(models)) == 5
