"""Known answers of the hand-crafted features, on images drawn by Beer's law."""

import numpy as np
import pytest

pytest.importorskip("skimage", reason="the features need the extra [classical]")

from stnclf.features._families import FAMILIES, Settings, describe

# Absorbance of red, green and blue by one unit of haematoxylin and of eosin.
STAINS = {"haematoxylin": (0.65, 0.70, 0.29), "eosin": (0.07, 0.99, 0.11)}


def paint(haematoxylin, eosin=0.0):
    """Densities of shape (M, N), on scikit-image's scale, to RGB in [0, 1]."""
    haematoxylin, eosin = np.broadcast_arrays(haematoxylin, eosin)
    absorbed = np.multiply.outer(haematoxylin, STAINS["haematoxylin"])
    absorbed += np.multiply.outer(eosin, STAINS["eosin"])
    return 10 ** (-6 * absorbed)


def ellipse(shape, x, y, a, b=None, angle=0.0):
    """Mask of an ellipse at (x, y) with semi-axes a, along angle from x, and b."""
    rows, columns = np.indices(shape)
    dx, dy = columns - x, rows - y
    u = dx * np.cos(angle) + dy * np.sin(angle)
    v = dy * np.cos(angle) - dx * np.sin(angle)
    return (u / a) ** 2 + (v / (b or a)) ** 2 <= 1


def measure(image, *families, **settings):
    return describe(image, Settings(families=families or FAMILIES, **settings))


def test_disc_is_measured_where_it_is():
    image = paint(0.1 * ellipse((61, 48), x=36, y=18, a=9), eosin=0.03)
    found = measure(image, "shape")
    assert found["shape_nuclei_count"] == 1
    assert found["shape_nucleus_area"] == pytest.approx(np.pi * 81, rel=0.05)
    # The middle is ((48 - 1) / 2, (61 - 1) / 2).
    assert found["shape_nucleus_distance"] == pytest.approx(np.hypot(12.5, 12), abs=0.1)
    assert found["shape_nucleus_form_factor"] == pytest.approx(1, abs=0.12)
    assert found["shape_nucleus_major_axis"] == pytest.approx(18, rel=0.05)
    assert found["shape_nucleus_eccentricity"] < 0.2
    assert found["shape_nucleus_solidity"] > 0.93
    assert found["shape_nucleus_extent"] == pytest.approx(np.pi / 4, rel=0.12)
    fraction = found["shape_nucleus_area"] / (61 * 48)
    assert found["shape_nuclei_fraction"] == pytest.approx(fraction)


@pytest.mark.parametrize("angle", [0, 0.5, np.pi / 2])
def test_ellipse_has_its_axes_and_eccentricity(angle):
    image = paint(0.1 * ellipse((70, 60), 33, 30, a=16, b=8, angle=angle))
    found = measure(image, "shape")
    assert found["shape_nucleus_eccentricity"] == pytest.approx(np.sqrt(0.75), abs=0.02)
    assert found["shape_nucleus_major_axis"] == pytest.approx(32, rel=0.05)
    assert found["shape_nucleus_minor_axis"] == pytest.approx(16, rel=0.05)


def test_hole_is_filled_and_ring_is_less_round_than_solid():
    disc = ellipse((60, 60), 30, 30, 12)
    hollow = disc & ~ellipse((60, 60), 30, 30, 7)
    solid, filled = (measure(paint(0.1 * mask), "shape") for mask in (disc, hollow))
    assert filled["shape_nucleus_area"] == pytest.approx(solid["shape_nucleus_area"], rel=0.03)
    notched = measure(paint(0.1 * (disc & ~ellipse((60, 60), 42, 30, 8))), "shape")
    assert notched["shape_nucleus_solidity"] < solid["shape_nucleus_solidity"] - 0.05


def test_nucleus_nearest_the_middle_is_chosen_and_the_dark_one_told_apart():
    shape = (80, 90)
    near, far = ellipse(shape, 40, 47, 6), ellipse(shape, 70, 20, 11)
    found = measure(paint(0.09 * near + 0.14 * far), "shape")
    assert found["shape_nuclei_count"] == 2
    assert found["shape_nucleus_area"] == pytest.approx(np.pi * 36, rel=0.15)
    assert found["shape_nucleus_distance"] == pytest.approx(np.hypot(4.5, 7.5), abs=0.2)
    assert found["shape_nuclei_area_max"] == pytest.approx(np.pi * 121, rel=0.1)
    assert found["shape_dark_count"] == 1
    assert found["shape_dark_largest_distance"] == pytest.approx(np.hypot(25.5, 19.5), abs=0.2)
    assert found["shape_dark_largest_density_mean"] == pytest.approx(0.14, rel=0.05)


def test_largest_and_nearest_dark_part_differ():
    shape = (80, 90)
    masks = ellipse(shape, 40, 44, 6), ellipse(shape, 15, 15, 10), ellipse(shape, 72, 62, 12)
    found = measure(paint(sum(d * m for d, m in zip((0.14, 0.14, 0.08), masks))), "shape")
    assert found["shape_nuclei_count"] == 3
    assert found["shape_dark_count"] == 2
    # The second threshold lies high on the blurred edge, so that areas are less than drawn.
    assert 0.6 < found["shape_dark_nearest_area"] / (np.pi * 36) < 1
    assert 0.75 < found["shape_dark_largest_area"] / (np.pi * 100) < 1


def test_small_objects_are_no_nuclei():
    speck = paint(0.1 * ellipse((50, 50), 25, 22, 4))
    assert measure(speck, "shape", min_nucleus_area=40)["shape_nuclei_count"] == 1
    assert measure(speck, "shape", min_nucleus_area=60)["shape_nuclei_count"] == 0
    assert measure(speck, "shape", min_nucleus_area=60)["shape_nucleus_area"] == 0


def test_pure_stains_are_told_apart_with_their_density():
    field = np.full((20, 30), 0.08)
    blue, pink = measure(paint(field), "stain"), measure(paint(0.0, field), "stain")
    expected = {"haematoxylin": (0.08, 0), "eosin": (0, 0.08), "dab": (0, 0)}
    for stain, values in expected.items():
        found = [f[f"stain_{stain}_patch_mean"] for f in (blue, pink)]
        assert found == pytest.approx(values, abs=1e-6)
        assert blue[f"stain_{stain}_patch_std"] == pytest.approx(0, abs=1e-6)


def test_stain_statistics_follow_the_regions():
    shape = (60, 64)
    nucleus = ellipse(shape, 25, 33, 10)
    plasma = ellipse(shape, 25, 33, 16) & ~nucleus
    found = measure(paint(0.1 * nucleus, 0.05 * plasma), "stain", ring_width=4)
    assert found["stain_haematoxylin_nucleus_p50"] == pytest.approx(0.1, abs=1e-6)
    assert found["stain_eosin_nucleus_p50"] == pytest.approx(0, abs=1e-6)
    assert found["stain_eosin_ring_p50"] == pytest.approx(0.05, abs=1e-6)
    assert found["stain_haematoxylin_ring_p50"] == pytest.approx(0, abs=1e-6)
    share = nucleus.mean()
    assert found["stain_haematoxylin_patch_mean"] == pytest.approx(0.1 * share, abs=1e-5)
    std = 0.1 * np.sqrt(share * (1 - share))
    assert found["stain_haematoxylin_patch_std"] == pytest.approx(std, abs=1e-5)
    skew = (1 - 2 * share) / np.sqrt(share * (1 - share))
    assert found["stain_haematoxylin_patch_skew"] == pytest.approx(skew, rel=1e-3)


def test_other_nuclei_are_left_out_of_the_ring():
    shape = (60, 60)
    nuclei = ellipse(shape, 29, 29, 8) | ellipse(shape, 29, 47, 8)
    found = measure(paint(0.1 * nuclei), "stain", "shape", ring_width=12)
    assert found["shape_nuclei_count"] == 2
    # Only the blurred edge of the two, if anything, is left.
    assert found["stain_haematoxylin_ring_mean"] < 0.005


def test_intensities_are_those_of_the_channels():
    image = np.zeros((40, 50, 3)) + (0.9, 0.8, 0.7)
    disc = ellipse((40, 50), 28, 17, 8)
    image[disc] = 0.2, 0.1, 0.5
    found = measure(image, "intensity")
    assert found["intensity_green_min"] == 0.1
    assert found["intensity_blue_max"] == 0.7
    assert found["intensity_red_mean"] == pytest.approx(image[..., 0].mean())
    assert found["intensity_blue_nucleus_mean"] == pytest.approx(0.5, abs=0.02)
    assert found["intensity_red_std"] == pytest.approx(image[..., 0].std())


def test_glcm_of_a_chessboard():
    n, levels = 20, 16
    board = np.indices((n, n)).sum(axis=0) % 2
    found = measure(paint(0.1 * board), "glcm", glcm_distances=(1, 2), glcm_levels=levels)
    # At distance 1, n (n - 1) pairs in each of two directions differ, and (n - 1)^2 on
    # each diagonal do not; one step more and all are alike.
    differing = n / (2 * n - 1)
    expected = differing * (levels - 1) ** 2
    assert found["glcm_patch_contrast_d1"] == pytest.approx(expected)
    homogeneity = 1 - differing + differing / (1 + (levels - 1) ** 2)
    assert found["glcm_patch_homogeneity_d1"] == pytest.approx(homogeneity)
    assert found["glcm_patch_contrast_d2"] < found["glcm_patch_contrast_d1"]
    assert found["glcm_patch_correlation_d1"] == pytest.approx(1 - 2 * differing, abs=1e-3)


def test_glcm_of_the_nucleus_sees_only_the_nucleus():
    shape = (60, 60)
    disc = ellipse(shape, 32, 28, 12)
    rng = np.random.default_rng(0)
    noise = 0.005 * rng.random(shape)
    calm = measure(paint(0.1 * disc + noise * ~disc), "glcm", glcm_levels=32)
    rough = measure(paint(0.1 * disc + noise * disc), "glcm", glcm_levels=32)
    assert rough["glcm_nucleus_entropy_d1"] > calm["glcm_nucleus_entropy_d1"] + 0.3


def test_glcm_of_a_flat_nucleus_is_flat_whatever_is_around_it():
    density = 0.002 * np.random.default_rng(0).random((50, 44))
    density[15:32, 12:34] = 0.1  # the blurred corners of a box lie inside it
    found = measure(paint(density), "glcm")
    for distance in (1, 3, 5):
        assert found[f"glcm_nucleus_contrast_d{distance}"] == 0
        assert found[f"glcm_nucleus_energy_d{distance}"] == pytest.approx(1)
        assert found[f"glcm_patch_contrast_d{distance}"] > 1


def test_lbp_of_flat_and_of_dotted():
    flat = measure(np.full((12, 14, 1), 0.5), "lbp")
    dots = np.full((12, 14, 1), 0.5)
    dots[3::4, 3::4] = 0.9
    dotted = measure(dots, "lbp", lbp_radii=(1,))
    for radius in (1, 3):
        assert flat[f"lbp_r{radius}_pattern8"] == 1
    # Each bright dot inside the border is brighter than all its neighbours: pattern 0.
    assert dotted["lbp_r1_pattern0"] == pytest.approx(3 * 2 / (10 * 12))
    assert sum(dotted.values()) == pytest.approx(1)


@pytest.mark.parametrize(("axis", "angle"), [(1, 0), (0, 4)])
def test_hog_bin_is_the_direction_of_the_gradient(axis, angle):
    ramp = np.indices((32, 32))[axis] / 32
    found = measure(ramp[..., None], "hog")
    for name, value in found.items():
        expected = 0.5 if name.endswith(f"angle{angle}") else 0
        assert value == pytest.approx(expected, abs=0.02), name


def test_hog_cells_are_rows_and_columns():
    image = np.zeros((24, 32, 1))
    image[2:8, 20:28] = 1
    found = measure(image, "hog")
    sums = {key: sum(v for k, v in found.items() if key in k) for key in ("y0_x1", "y1_x0")}
    assert sums["y0_x1"] > 0.5
    assert sums["y1_x0"] == 0


def test_quarter_turn_changes_hog_only():
    rng = np.random.default_rng(1)
    shape = (64, 64)
    density = 0.1 * ellipse(shape, 40, 25, 15, 7, 0.4) + 0.07 * ellipse(shape, 12, 50, 8)
    image = paint(density + 0.02 * rng.random(shape), 0.03)
    upright, turned = measure(image), measure(np.rot90(image))
    assert upright["shape_nuclei_count"] == 2
    for name, value in upright.items():
        if not name.startswith("hog"):
            assert turned[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name
    change = [abs(turned[k] - v) for k, v in upright.items() if k.startswith("hog")]
    assert max(change) > 0.05


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (2, 2), (5, 3), (40, 44)])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e300])
def test_any_image_gives_the_same_finite_columns(shape, channels, scale):
    probe = list(measure(np.zeros((1, 1, channels))))
    rng = np.random.default_rng(2)
    for settings in ({}, {"min_nucleus_area": 1, "smoothing": 0.0}):
        found = measure(rng.normal(size=(*shape, channels)) * scale, **settings)
        assert list(found) == probe
        assert np.isfinite(list(found.values())).all()


def test_one_pixel_has_no_texture_and_no_shape():
    found = measure(np.full((1, 1, 3), 0.3), "glcm", "lbp", "hog", "shape")
    assert not any(found.values())


@pytest.mark.parametrize("channels", [1, 2])
def test_grey_is_absorbance_of_the_mean(channels):
    found = measure(np.full((5, 6, channels), 0.01), "stain")
    assert found["stain_haematoxylin_patch_mean"] == pytest.approx(1 / 3)
    assert not any("eosin" in name for name in found)
