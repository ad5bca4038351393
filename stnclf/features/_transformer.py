"""`CellFeatures`, the transformer over the feature families."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from .._utils.images import as_images, check_size
from .._utils.pixel_unit import check_white
from .._utils.sized_images import warn_of_context
from .._utils.typing import Floats, Images
from ..geometry import patch_origin
from ._families import FAMILIES, Settings, describe, import_skimage

__all__ = ["CellFeatures"]


class CellFeatures(TransformerMixin, BaseEstimator):
    """Texture, stain and shape features of image patches around a cell.

    The workflow that came before learned features: separate the stains, segment the
    nucleus, measure it, describe the texture, and leave the decision to any classifier of
    scikit-learn. It stands beside the networks in the same cross-validation, as
    ``make_pipeline(CellFeatures(), StandardScaler(), SVC())``. Nothing is learned from the
    data: `fit` only looks at the shape of the images.

    It needs scikit-image, which ``pip install 'stnclf[classical]'`` brings.

    Parameters
    ----------
    families : array-like of str, default=("intensity", "stain", "glcm", "lbp", "hog", "shape")
        What to compute, in the order of the columns.

        - "intensity": mean, standard deviation, minimum and maximum of each channel, in
          the range in which it comes, and its mean and standard deviation in the nucleus.
        - "stain": mean, standard deviation, skewness and percentiles of haematoxylin,
          eosin and DAB [1]_, in the patch, in the nucleus and in the ring around it.
        - "glcm": contrast, homogeneity, energy, correlation and entropy of the
          co-occurrence matrix of haematoxylin [2]_, pooled over four directions, in the
          patch and in the nucleus.
        - "lbp": histograms of uniform, rotation-invariant local binary patterns [3]_.
        - "hog": histograms of oriented gradients [4]_ in a coarse grid. They alone depend
          on which way the patch is turned.
        - "shape": number and areas of the nuclei and of the dark parts in them; area,
          perimeter, form factor, axes, eccentricity, solidity, extent, density of
          haematoxylin and distance from the middle, of the nucleus nearest the middle, the
          dark part nearest the middle and the largest dark part.
    patch_size : int or tuple of (height, width), default=None
        Size in pixels of the central part of each image to describe; what lies around it
        is not looked at. None is the whole image.
    smoothing : float, default=1.0
        Standard deviation in pixels of the Gaussian filter before Otsu's threshold [5]_.
    min_nucleus_area : int, default=30
        Smaller objects, in pixels, are no nuclei. For a dark part it is half of that.
    ring_width : int, default=4
        Width in pixels of the ring around the nucleus; other nuclei are left out of it.
    glcm_distances : array-like of int, shape (n_distances,), default=(1, 3, 5)
        Distances in pixels at which co-occurrence is counted.
    glcm_levels : int, default=16
        Number of levels between the first and the 99th percentile of haematoxylin.
    lbp_radii : array-like of float, shape (n_radii,), default=(1, 3)
        Radii in pixels of the circles of 8 points.
    hog_cells : int, default=2
        Number of cells along each side of the grid.
    hog_orientations : int, default=8
        Number of directions in each cell, from 0 to 180 degrees.
    image_shape : tuple of (height, width) or (height, width, channels), default=None
        Shape of the images whose flattened pixels are the rows of a 2-D `X`. With None, a
        row is a square RGB image if its length allows that, else a square grey one, else
        one row of grey pixels.
    n_jobs : int, default=None
        Number of processes that share the images. None is 1, unless in a
        `joblib.parallel_config`; -1 is all processors.

    Attributes
    ----------
    image_shape_ : tuple of (height, width, channels)
        Shape of the images seen in `fit`.
    pixel_unit_ : object
        What the pixels were in `fit`: 8-bit, 16-bit or from 0 to 1; str() names it.
    n_features_in_ : int
        Number of values in an image, height x width x channels.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen in `fit`, if `X` was a data frame with names.

    Notes
    -----
    Images are integers of 8 or 16 bits, which are divided by 255 or 65535, or float in [0, 1].
    Floats not far outside [0, 1] are no error: they are clipped for all families but "intensity".
    Images that do not have three channels are described by the mean of their channels, whose
    absorbance takes the place of haematoxylin; eosin and DAB then have no columns.

    The columns depend on the parameters and the number of channels only. Where there is no
    nucleus, or an image is too small for a family, the values are 0.

    Texture and shape of segmented objects are features of [6]_, and statistics over many
    colour channels those of [7]_. This transformer is of their kind, but copies neither
    system: both first look for candidates in a whole field, while here the patch is given.

    References
    ----------
    .. [1] A. C. Ruifrok and D. A. Johnston, "Quantification of histochemical staining by
       color deconvolution", Anal. Quant. Cytol. Histol. 23(4), 2001.
    .. [2] R. M. Haralick, K. Shanmugam and I. Dinstein, "Textural features for image
       classification", IEEE Trans. Syst. Man Cybern. SMC-3(6), 1973.
    .. [3] T. Ojala, M. Pietikainen and T. Maenpaa, "Multiresolution gray-scale and rotation
       invariant texture classification with local binary patterns", IEEE Trans. Pattern
       Anal. Mach. Intell. 24(7), 2002.
    .. [4] N. Dalal and B. Triggs, "Histograms of oriented gradients for human detection",
       CVPR 2005.
    .. [5] N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans.
       Syst. Man Cybern. 9(1), 1979.
    .. [6] C. Sommer, L. Fiaschi, F. A. Hamprecht and D. W. Gerlich, "Learning-based mitotic
       cell detection in histopathological images", ICPR 2012.
    .. [7] H. Irshad, "Automated mitosis detection in histopathology using morphological and
       multi-channel statistics features", J. Pathol. Inform. 4:10, 2013.

    Examples
    --------
    A dark disc of radius 8 pixels, 6 pixels to the right of the middle:

    >>> import numpy as np
    >>> from stnclf.features import CellFeatures
    >>> y, x = np.mgrid[:41, :41]
    >>> X = np.full((1, 41, 41, 3), 0.9)
    >>> X[0, (x - 26) ** 2 + (y - 20) ** 2 <= 8**2] = 0.4, 0.3, 0.6
    >>> features = CellFeatures(families=("shape",)).fit(X)
    >>> values = dict(zip(features.get_feature_names_out(), features.transform(X)[0]))
    >>> float(round(values["shape_nucleus_distance"], 1))
    6.0
    >>> bool(180 < values["shape_nucleus_area"] < 230)
    True
    """

    _parameter_constraints: dict = {
        "families": ["array-like"],
        "patch_size": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "smoothing": [Interval(Real, 0, None, closed="left")],
        "min_nucleus_area": [Interval(Integral, 1, None, closed="left")],
        "ring_width": [Interval(Integral, 1, None, closed="left")],
        "glcm_distances": ["array-like"],
        "glcm_levels": [Interval(Integral, 2, 255, closed="both")],
        "lbp_radii": ["array-like"],
        "hog_cells": [Interval(Integral, 1, None, closed="left")],
        "hog_orientations": [Interval(Integral, 1, None, closed="left")],
        "image_shape": ["array-like", None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        families=FAMILIES,
        patch_size=None,
        smoothing=1.0,
        min_nucleus_area=30,
        ring_width=4,
        glcm_distances=(1, 3, 5),
        glcm_levels=16,
        lbp_radii=(1, 3),
        hog_cells=2,
        hog_orientations=8,
        image_shape=None,
        n_jobs=None,
    ):
        self.families = families
        self.patch_size = patch_size
        self.smoothing = smoothing
        self.min_nucleus_area = min_nucleus_area
        self.ring_width = ring_width
        self.glcm_distances = glcm_distances
        self.glcm_levels = glcm_levels
        self.lbp_radii = lbp_radii
        self.hog_cells = hog_cells
        self.hog_orientations = hog_orientations
        self.image_shape = image_shape
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Images, y: object = None) -> CellFeatures:
        """Check the parameters and take the shape of the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, height * width * channels)
            Images, uint8 or float.
        y : None
            Ignored.

        Returns
        -------
        self : CellFeatures

        Raises
        ------
        ImportError
            If scikit-image is not installed.
        TypeError
            If `X` is no array of numbers.
        ValueError
            If `X` is empty, is not finite or has no images, if `image_shape` is not the
            shape of its images, or if they are smaller than `patch_size`.
        """
        import_skimage()
        self._settings()
        before = dict(self.__dict__)
        warn_of_context(self, X, as_images(self, X, self.image_shape, reset=True).shape[1:3])
        try:
            check_white(self.pixel_unit_, self.image_shape_)
            self._window()
        except ValueError:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        return self

    def transform(self, X: Images) -> Floats:
        """Compute the features of each image.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, height * width * channels)
            Images of the shape seen in `fit`; whether they are flattened may differ.

        Returns
        -------
        features : ndarray of float64, shape (n_samples, n_features_out)
            Finite values, named by `get_feature_names_out`.

        Raises
        ------
        ImportError
            If scikit-image is not installed.
        sklearn.exceptions.NotFittedError
            If the transformer is not fitted.
        TypeError
            If `X` is no array of numbers.
        ValueError
            If `X` is empty, is not finite or has images of another shape.
        """
        check_is_fitted(self)
        X = as_images(self, X, self.image_shape, reset=False)
        settings, window = self._settings(), self._window()
        # Several chunks a process, so that none waits long for the last one.
        size = -(-len(X) // (4 * effective_n_jobs(self.n_jobs)))
        chunks = Parallel(n_jobs=self.n_jobs)(
            delayed(_describe_images)(X[chunk][window], settings)
            for chunk in gen_batches(len(X), min(size, 64))
        )
        return np.concatenate(chunks)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, shape (n_features,), default=None
            Only compared with what `fit` saw; the names do not depend on them.

        Returns
        -------
        names : ndarray of str objects, shape (n_features_out,)
            The family, what is described and how, as in ``"stain_eosin_ring_mean"``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the transformer is not fitted.
        ValueError
            If `input_features` is not what `fit` saw.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        probe = np.zeros((1, 1, self.image_shape_[2]))
        return np.array(list(describe(probe, self._settings())), dtype=object)

    def _settings(self):
        """Check what the parameter constraints cannot say; give the settings."""
        families = tuple(self.families)
        unknown = [f for f in families if not isinstance(f, str) or f not in FAMILIES]
        if unknown or not families or len(set(families)) < len(families):
            raise ValueError(
                f"families must be one or more of {FAMILIES}, each once, got {self.families!r}."
            )
        return Settings(
            families=families,
            smoothing=self.smoothing,
            min_nucleus_area=self.min_nucleus_area,
            ring_width=self.ring_width,
            glcm_distances=_numbers("glcm_distances", self.glcm_distances, Integral),
            glcm_levels=self.glcm_levels,
            lbp_radii=_numbers("lbp_radii", self.lbp_radii, Real),
            hog_cells=self.hog_cells,
            hog_orientations=self.hog_orientations,
        )

    def _window(self):
        """Return the index of the central `patch_size` in an array of images."""
        full = self.image_shape_[:2]
        height, width = check_size("patch_size", self.patch_size, full, full, "images")
        left, top = patch_origin(full, (height, width))
        return slice(None), slice(top, top + height), slice(left, left + width)


def _describe_images(images, settings):
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    # One layout in memory, so that sums round alike whatever the caller's layout.
    images = (np.ascontiguousarray(image, dtype=np.float64) / scale for image in images)
    rows = (describe(image, settings) for image in images)
    return np.array([list(row.values()) for row in rows])


def _numbers(name, values, kind):
    values = tuple(values)
    if not values or not all(isinstance(v, kind) and 0 < v < np.inf for v in values):
        what = "integers" if kind is Integral else "numbers"
        raise ValueError(f"{name} must be one or more {what} above 0, got {values}.")
    return values
