"""Hand-crafted features of one image of a cell: what `CellFeatures` computes.

Each family is a function that gives a dict of name -> value. It gives the same names for
every image with the same number of channels, so that a probe image tells the columns.

Convention: images are float arrays of shape (M, N, C), lengths are in pixels, points are
(row, column) inside this module only, integer = pixel centre.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from scipy import ndimage as ndi

FAMILIES = ("intensity", "stain", "glcm", "lbp", "hog", "shape")

_ANGLES = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_DARKEST = 1e-6  # the intensity that stands for total absorption, as in scikit-image
_GLCM_PROPERTIES = ("contrast", "homogeneity", "energy", "correlation", "entropy")
_LBP_POINTS = 8
_BODY_PROPERTIES = (
    *("area", "perimeter", "form_factor", "major_axis", "minor_axis", "eccentricity"),
    *("solidity", "extent", "density_mean", "density_std", "distance"),
)
_FLAT = 1e-9  # differences of density below it are rounding
_PERCENTILES = (5, 25, 50, 75, 95)


def import_skimage():
    """Return the functions of scikit-image that the features need.

    Raises
    ------
    ImportError
        If scikit-image is not installed; the message names the extra to install.
    """
    try:
        import skimage  # noqa: F401 - the submodules below may be cached without it
        from skimage.color import rgb2hed
        from skimage.feature import graycomatrix, hog, local_binary_pattern
        from skimage.filters import threshold_otsu
        from skimage.measure import regionprops
    except ImportError as error:
        raise ImportError(
            "CellFeatures needs scikit-image, which is not installed. "
            "Install it with: pip install 'stnclf[classical]'"
        ) from error
    return SimpleNamespace(
        rgb2hed=rgb2hed,
        graycomatrix=graycomatrix,
        hog=hog,
        local_binary_pattern=local_binary_pattern,
        threshold_otsu=threshold_otsu,
        regionprops=regionprops,
    )


@dataclass(frozen=True)
class Settings:
    """What to compute; see `stnclf.features.CellFeatures` for the meaning of each."""

    families: tuple = FAMILIES
    smoothing: float = 1.0
    min_nucleus_area: int = 30
    ring_width: int = 4
    glcm_distances: tuple = (1, 3, 5)
    glcm_levels: int = 16
    lbp_radii: tuple = (1, 3)
    hog_cells: int = 2
    hog_orientations: int = 8


class Body(NamedTuple):
    """One connected piece of a mask.

    Attributes
    ----------
    box : tuple of two slices
        Where it is in the image.
    mask : ndarray of bool, shape (box height, box width)
        Its pixels in the box.
    distance : float
        From its centroid to the middle of the image, in pixels.
    """

    box: tuple = (slice(0, 0), slice(0, 0))
    mask: np.ndarray = np.zeros((0, 0), bool)
    distance: float = 0.0


class Nuclei(NamedTuple):
    """What the segmentation of an image gives.

    Attributes
    ----------
    areas, dark_areas : ndarray of shape (n_nuclei,) and (n_dark,)
        Areas in pixels of all nuclei, and of all their dark parts.
    nearest : Body
        The nucleus nearest the middle of the image. Its box has room for the ring.
    ring : ndarray of bool, shape (box height, box width)
        What surrounds that nucleus and is no nucleus.
    dark_nearest, dark_largest : Body
        The dark part nearest the middle, and the one of the largest area.
    """

    areas: np.ndarray = np.zeros(0)
    nearest: Body = Body()
    ring: np.ndarray = np.zeros((0, 0), bool)
    dark_areas: np.ndarray = np.zeros(0)
    dark_nearest: Body = Body()
    dark_largest: Body = Body()


def describe(image, settings):
    """Compute the features of one image.

    Parameters
    ----------
    image : ndarray of float, shape (M, N, C)
        Finite intensities, meant to lie in [0, 1].
    settings : Settings
        What to compute.

    Returns
    -------
    dict of str to float
        Names and values. The values are finite.
    """
    ski = import_skimage()
    clipped = np.clip(image, 0.0, 1.0)
    rgb = clipped.shape[2] == 3
    stains = separate_stains(clipped, ski)
    grey = clipped @ (0.2125, 0.7154, 0.0721) if rgb else clipped.mean(axis=2)
    grey = np.rint(255 * grey).astype(np.uint8)
    haematoxylin = stains["haematoxylin"]
    nuclei = None
    if {"intensity", "stain", "glcm", "shape"} & set(settings.families):
        nuclei = find_nuclei(haematoxylin, settings, ski)
    compute = {
        "intensity": lambda: intensity_features(image, nuclei),
        "stain": lambda: stain_features(stains, nuclei),
        "glcm": lambda: glcm_features(haematoxylin, nuclei, settings, ski),
        "lbp": lambda: lbp_features(grey, settings, ski),
        "hog": lambda: hog_features(grey, settings, ski),
        "shape": lambda: shape_features(haematoxylin, nuclei, ski),
    }
    features = {}
    for family in settings.families:
        values = compute[family]()
        features.update({f"{family}_{name}": value for name, value in values.items()})
    return features


def separate_stains(image, ski):
    """Split an image into the optical density of its stains.

    Parameters
    ----------
    image : ndarray of shape (M, N, C), in [0, 1]
    ski : namespace of `import_skimage`

    Returns
    -------
    dict of str to ndarray of shape (M, N)
        Haematoxylin, eosin and DAB of an RGB image. Of any other, the absorbance of the
        mean of its channels, on the same scale, under the name of haematoxylin.
    """
    if image.shape[2] == 3:
        hed = ski.rgb2hed(image)
        return {"haematoxylin": hed[..., 0], "eosin": hed[..., 1], "dab": hed[..., 2]}
    grey = np.maximum(image.mean(axis=2), _DARKEST)
    return {"haematoxylin": np.log(grey) / np.log(_DARKEST)}


def find_nuclei(haematoxylin, settings, ski):
    """Segment nuclei by Otsu's threshold, and what is dark in them by another.

    Parameters
    ----------
    haematoxylin : ndarray of shape (M, N)
    settings : Settings
        `smoothing`, `min_nucleus_area` and `ring_width` are used.
    ski : namespace of `import_skimage`

    Returns
    -------
    Nuclei
        Without a nucleus, all of it is empty and distances are 0.
    """
    smooth = ndi.gaussian_filter(haematoxylin, settings.smoothing)
    if np.ptp(smooth) < _FLAT:
        return Nuclei()
    mask = ndi.binary_fill_holes(smooth > ski.threshold_otsu(smooth))
    areas, nearest, _ = _bodies(mask, settings.min_nucleus_area, settings.ring_width)
    if not areas.size:
        return Nuclei()
    near = ndi.binary_dilation(nearest.mask, iterations=settings.ring_width)
    ring = near & ~mask[nearest.box]
    # A mitotic figure or a white cell's nucleus is darker than the nuclei around it.
    inside = smooth[mask]
    if np.ptp(inside) < _FLAT:
        dark = mask
    else:
        dark = ndi.binary_fill_holes(smooth > ski.threshold_otsu(inside))
    return Nuclei(areas, nearest, ring, *_bodies(dark, settings.min_nucleus_area / 2))


def _bodies(mask, min_area, margin=0):
    """Return the areas of a mask's pieces, the piece nearest the middle and the largest."""
    labels, count = ndi.label(mask)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    kept = np.flatnonzero(areas >= min_area)
    if not kept.size:
        return np.zeros(0), Body(), Body()
    centroids = np.array(ndi.center_of_mass(mask, labels, kept + 1))
    distances = np.hypot(*(centroids - (np.array(mask.shape) - 1) / 2).T)
    boxes = ndi.find_objects(labels)

    def cut(i):
        box = tuple(slice(max(s.start - margin, 0), s.stop + margin) for s in boxes[kept[i]])
        return Body(box, labels[box] == kept[i] + 1, float(distances[i]))

    return areas[kept], cut(np.argmin(distances)), cut(np.argmax(areas[kept]))


def intensity_features(image, nuclei):
    """Describe the channels as they came, in their own range."""
    names = ("red", "green", "blue") if image.shape[2] == 3 else range(image.shape[2])
    inside = image[nuclei.nearest.box][nuclei.nearest.mask]
    features = {}
    # Statistics of values near the largest float overflow: they are capped below.
    with np.errstate(over="ignore", invalid="ignore"):
        for channel, name in enumerate(names):
            values = image[..., channel]
            features[f"{name}_mean"] = values.mean()
            features[f"{name}_std"] = values.std()
            features[f"{name}_min"] = values.min()
            features[f"{name}_max"] = values.max()
            features[f"{name}_nucleus_mean"] = inside[:, channel].mean() if len(inside) else 0.0
            features[f"{name}_nucleus_std"] = inside[:, channel].std() if len(inside) else 0.0
    return {name: float(np.nan_to_num(value)) for name, value in features.items()}


def stain_features(stains, nuclei):
    """Describe the distribution of each stain in the patch, the nucleus and its ring."""
    features = {}
    for stain, density in stains.items():
        near = density[nuclei.nearest.box]
        regions = {
            "patch": density.ravel(),
            "nucleus": near[nuclei.nearest.mask],
            "ring": near[nuclei.ring],
        }
        for region, values in regions.items():
            for name, value in _distribution(values).items():
                features[f"{stain}_{region}_{name}"] = value
    return features


def _distribution(values):
    names = ["mean", "std", "skew", *(f"p{q}" for q in _PERCENTILES)]
    if not values.size:
        return dict.fromkeys(names, 0.0)
    mean = values.mean()
    deviation = values - mean
    square = deviation * deviation
    std = np.sqrt(square.mean())
    skew = (square * deviation).mean() / std**3 if std > _FLAT else 0.0
    return dict(zip(names, [mean, std, skew, *np.percentile(values, _PERCENTILES)]))


def glcm_features(haematoxylin, nuclei, settings, ski):
    """Describe the co-occurrence of haematoxylin levels in the patch and in the nucleus."""
    low, high = np.percentile(haematoxylin, (1, 99))
    scale = (settings.glcm_levels - 1e-6) / (high - low) if high - low > _FLAT else 0.0
    levels = ((haematoxylin - low) * scale).clip(0, settings.glcm_levels - 1).astype(np.uint8)
    features = _cooccurrence(levels, "patch", settings, ski)
    # Level 0 marks what is outside the nucleus; its row and column are dropped.
    inside = np.where(nuclei.nearest.mask, levels[nuclei.nearest.box] + 1, 0).astype(np.uint8)
    features.update(_cooccurrence(inside, "nucleus", settings, ski, outside=1))
    return features


def _cooccurrence(levels, region, settings, ski, outside=0):
    distances, n = settings.glcm_distances, settings.glcm_levels
    features = {}
    counts = None
    if levels.size:
        counts = ski.graycomatrix(levels, distances, _ANGLES, n + outside, symmetric=True)
        # Summed over the angles, they do not depend on the direction of the texture.
        counts = counts[outside:, outside:].sum(axis=3)
    i, j = np.indices((n, n))
    for index, distance in enumerate(distances):
        values = np.zeros(len(_GLCM_PROPERTIES))
        total = counts[..., index].sum() if counts is not None else 0
        if total:
            p = counts[..., index] / total
            # The matrix is symmetric, so that both margins are the same.
            mean = (i * p).sum()
            variance = ((i - mean) ** 2 * p).sum()
            covariance = ((i - mean) * (j - mean) * p).sum()
            some = p[p > 0]
            values = (
                ((i - j) ** 2 * p).sum(),
                (p / (1 + (i - j) ** 2)).sum(),
                np.sqrt((p * p).sum()),
                covariance / variance if variance > 1e-12 else 1.0,
                -(some * np.log2(some)).sum(),
            )
        for name, value in zip(_GLCM_PROPERTIES, values):
            features[f"{region}_{name}_d{distance}"] = float(value)
    return features


def lbp_features(grey, settings, ski):
    """Count the uniform, rotation-invariant local binary patterns at each radius."""
    features = {}
    bins = _LBP_POINTS + 2
    for radius in settings.lbp_radii:
        histogram = np.zeros(bins)
        edge = int(np.ceil(radius))
        # A pixel whose circle leaves the image would compare with made-up neighbours.
        if min(grey.shape) > 2 * edge:
            codes = ski.local_binary_pattern(grey, _LBP_POINTS, radius, "uniform")
            codes = codes[edge:-edge, edge:-edge].astype(np.intp).ravel()
            histogram = np.bincount(codes, minlength=bins) / codes.size
        features.update({f"r{radius}_pattern{k}": float(v) for k, v in enumerate(histogram)})
    return features


def hog_features(grey, settings, ski):
    """Count the directions of the gradient in a coarse grid over the whole patch."""
    cells, orientations = settings.hog_cells, settings.hog_orientations
    size = (grey.shape[0] // cells, grey.shape[1] // cells)
    values = np.zeros(cells * cells * orientations)
    if min(size) >= 2:
        values = ski.hog(
            grey,
            orientations=orientations,
            pixels_per_cell=size,
            cells_per_block=(cells, cells),
        )[: values.size]
    names = (
        f"y{row}_x{column}_angle{k}"
        for row in range(cells)
        for column in range(cells)
        for k in range(orientations)
    )
    return dict(zip(names, values.tolist()))


def shape_features(haematoxylin, nuclei, ski):
    """Count the nuclei and their dark parts, and measure those that stand out."""
    features = {}
    for name, areas in (("nuclei", nuclei.areas), ("dark", nuclei.dark_areas)):
        features[f"{name}_count"] = float(len(areas))
        features[f"{name}_fraction"] = float(areas.sum() / haematoxylin.size)
        features[f"{name}_area_mean"] = float(areas.mean()) if len(areas) else 0.0
        features[f"{name}_area_std"] = float(areas.std()) if len(areas) else 0.0
        features[f"{name}_area_max"] = float(areas.max(initial=0))
    bodies = {
        "nucleus": nuclei.nearest,
        "dark_nearest": nuclei.dark_nearest,
        "dark_largest": nuclei.dark_largest,
    }
    for name, body in bodies.items():
        for key, value in _measure(body, haematoxylin, ski).items():
            features[f"{name}_{key}"] = float(value)
    return features


def _measure(body, haematoxylin, ski):
    if not body.mask.any():
        return dict.fromkeys(_BODY_PROPERTIES, 0.0)
    (region,) = ski.regionprops(body.mask.astype(np.uint8))
    density = haematoxylin[body.box][body.mask]
    values = (
        region.area,
        region.perimeter,
        # 1 for a disc, less for any other shape; a point has no perimeter.
        4 * np.pi * region.area / region.perimeter**2 if region.perimeter > 0 else 0.0,
        region.axis_major_length,
        region.axis_minor_length,
        region.eccentricity,
        region.solidity,
        region.extent,
        density.mean(),
        density.std(),
        body.distance,
    )
    return dict(zip(_BODY_PROPERTIES, values))
