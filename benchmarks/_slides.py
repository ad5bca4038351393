"""Slides and training cells, for the scan benchmark and the slide example."""

import math

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter, minimum_filter
from scipy.spatial import cKDTree

from stnclf.datasets import make_slide
from stnclf.metrics import detection_score
from stnclf.slides import write_pyramid_tiff

#: Micrometres within which a nucleus belongs to an annotated cell.
NEAR_UM = 7.5
#: Side in pixels and micrometres per pixel of AMi-Br's crops.
CROP, CROP_MPP = 128, 0.25


def paint_slide(path, side, seed, **cells):
    """Paint a square slide at 0.25 um per pixel into a pyramid TIFF; return its cells."""
    image, truth, mpp = make_slide((side, side), random_state=seed, **cells)
    write_pyramid_tiff(image, path, mpp)
    return pd.DataFrame({"image": path.name, **truth})


def some_of_each(cells, most, seed):
    """Choose at most so many cells of each label."""
    rng = np.random.default_rng(seed)
    parts = [rows.iloc[rng.permutation(len(rows))[:most]] for _, rows in cells.groupby("label")]
    return pd.concat(parts, ignore_index=True)


def other_cells(slide, cells):
    """Take dark spots where nobody annotated a cell for a class of their own.

    At 1 um per pixel a nucleus is a minimum of brightness within 3 um.
    """
    zoom = 1 / slide.mpp
    width, height = (int(side / zoom) for side in slide.size)
    dark = slide.read_region(0, 0, width, height, 1.0).min(axis=2).astype(np.float32)
    dark = gaussian_filter(dark, 1.5)
    is_spot = (dark == minimum_filter(dark, 7)) & (dark < np.median(dark))
    spots = (np.argwhere(is_spot)[:, ::-1] + 0.5) * zoom - 0.5
    apart, _ = cKDTree(cells[["x", "y"]]).query(spots)
    x, y = spots[apart * slide.mpp > NEAR_UM].T
    return pd.DataFrame({"image": cells["image"].iloc[0], "x": x, "y": y, "label": "other cell"})


def vary_stain(X, seed, strength=0.5):
    """Change how patches were stained and focused, each in its own way.

    One slide shows one stain only. Here the optical densities of the colours are mixed and
    scaled at random, as other stains and scanners do.
    """
    rng = np.random.default_rng(seed)
    varied = np.empty_like(X)
    for patch, out in zip(X, varied):
        density = -np.log((patch.astype(np.float32) + 1) / 256)
        mix = np.diag(np.exp(rng.normal(0, strength, 3))) + rng.normal(0, 0.3 * strength, (3, 3))
        density = density @ mix.astype(np.float32) + np.float32(rng.normal(0, 0.05 * strength, 3))
        sigma = rng.uniform(0, 0.7)
        if sigma > 0.2:
            density = gaussian_filter(density, (sigma, sigma, 0))
        out[:] = np.clip(256 * np.exp(-density) - 0.5, 0, 255)
    return varied


def with_other_stains(X, y, centers, copies):
    """Add copies that are stained in other ways to patches, their labels and centres."""
    X = np.concatenate([X, *(vary_stain(X, seed) for seed in range(1, copies))])
    return X, np.tile(y, copies), np.tile(centers, (copies, 1))


def threshold_of_best_f1(truth, found, mpp, label):
    """Choose the least probability from which on the detections of a class have the best F1.

    `mpp` are the micrometres of a pixel in which positions are given.
    """
    f1 = {}
    for threshold in np.linspace(0.1, 0.95, 18).round(2).tolist():
        likely = found[found["probability"] >= threshold]
        f1[threshold] = detection_score(truth, likely, mpp=mpp, labels=[label])[label]["f1"]
    return max(f1, key=f1.get)


def count_inside(cells, field):
    """Count the cells in a field, a row of what `stnclf.scan.hotspots` gives."""
    off_x, off_y = (cells["x"] - field.x).abs(), (cells["y"] - field.y).abs()
    return int(((off_x <= field.width / 2) & (off_y <= field.height / 2)).sum())


def apart(names, seed=0):
    """Split names into three quarters, and the others."""
    names = np.random.default_rng(seed).permutation(np.unique(names))
    n_train = math.ceil(0.75 * len(names))
    return set(names[:n_train].tolist()), set(names[n_train:].tolist())


def mosaic(path, crops, label):
    """Join crops to a square slide, row by row; return a table of their middles."""
    side = math.ceil(math.sqrt(len(crops)))
    pixels = np.full((side * CROP, side * CROP, 3), 255, np.uint8)
    corners = CROP * np.array([(i % side, i // side) for i in range(len(crops))])
    for (left, top), crop in zip(corners, crops):
        with Image.open(crop) as image:
            pixels[top : top + CROP, left : left + CROP] = np.asarray(image.convert("RGB"))
    write_pyramid_tiff(pixels, path, CROP_MPP, compression="deflate")
    x, y = (corners + CROP // 2).T.astype(float)
    return pd.DataFrame({"image": path.name, "x": x, "y": y, "label": label})
