"""The guided spatial transformer network as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints

from ._base import _COUNT, _POSITIVE, BaseCellClassifier
from ._utils.errors import argument_error
from ._utils.typing import Images
from .networks import (
    CLASSIFIERS,
    LOCALIZERS,
    FixedLocalizer,
    MapClassifier,
    SharedLocalizer,
    SharedNet,
    STNNet,
)
from .sampling import Augmentation
from .training import Optimizer, guided_stages

__all__ = ["PAPER", "STNCellClassifier"]

#: The classifier on the maps of the heatmap localizer's first layers.
ON_MAPS = "shared"

#: The configuration of the 2017 paper, for ``STNCellClassifier(**PAPER)``.
PAPER = {
    "localizer": "dense",
    "classifier": "inception",
    "n_glimpses": 1,
    "classifier_epochs": 50,
    "localizer_epochs": 200,
    "joint_epochs": 100,
    "optimizer": "paper",
    "kappa": 1.0,
    "label_smoothing": 0.0,
    "batch_size": 64,
    "balance": "fixed",
    "augment": "paper",
    "tta": False,
}


class STNCellClassifier(BaseCellClassifier):
    """Find the cell in a patch, then classify it: a guided spatial transformer network.

    A localizer network lays a window on the cell inside the patch, a small classifier
    tells its class. They are trained in three stages, guided by the known
    centres of the cells: ``"classifier"`` on windows at the true centres, ``"localizer"`` on
    randomly moved patches, and ``"joint"``, both together, on the windows that the localizer
    chooses. Networks that share layers (``classifier="shared"``) keep learning the classes in
    the second stage.

    The parameters come in groups:

    - sizes: ``patch_size``, ``cell_size``, ``image_shape``, ``mpp``;
    - networks: ``localizer``, ``classifier``, ``n_glimpses``;
    - training: the epochs of the three stages, ``optimizer``, ``kappa``, ``label_smoothing``,
      ``batch_size``, ``balance``, ``class_weight``, ``validation_fraction``;
    - augmentation: ``augment``;
    - prediction: ``tta``;
    - running: ``device``, ``precision``, ``compile``, ``warm_start``, ``init``, ``checkpoint``,
      ``callbacks``, ``random_state``, ``verbose``.

    Parameters
    ----------
    patch_size : int or tuple of int, default=None
        Side, or (height, width), in pixels of the central part of an image that the networks
        see. What lies around it is used in training only, for patches that are moved and
        rotated. None is the whole image.
    cell_size : int or tuple of int, default=None
        Side, or (height, width), in pixels of the window, large enough for a whole cell.
        None is half of the patch (equation 2). Where the window is the whole patch there is
        nothing to look for, and no localizer is made.
    image_shape : tuple of int, default=None
        (height, width, channels) of images that come as rows of X.
    mpp : float, default=None
        Micrometres per pixel of the images, where known: `stnclf.scan.scan` reads slides so.
    localizer : {"heatmap", "dense"}, default="heatmap"
        "dense" is the paper's network, which regresses theta. "heatmap" scores positions and
        takes the best: of several candidates it chooses one and not their mean.
    classifier : {"auto", "shared", "context", "inception"}, default="auto"
        The classifier network. "auto" is "shared" with the heatmap localizer, and "context" with
        the dense localizer or where the window is the whole patch. "shared" takes the heatmap
        localizer's first maps, in the window and in the whole patch [2]_ [3]_; one network is
        trained in place of two, which needs the heatmap localizer and a window smaller than the
        patch. The others look at the pixels: "inception" is the paper's, "context" is made of
        batch-normalised convolutions and sees the window and one of twice its size around it.
    n_glimpses : int, default=1
        How many peaks of the heatmap are classified; the class probabilities are averaged with
        the peaks' weights. More than one needs the heatmap localizer and a window smaller than the
        patch.
    classifier_epochs, localizer_epochs, joint_epochs : int, default=80, 50, 20
        Length of the three stages. The paper's are 50, 200 and 100.
    optimizer : {"default", "paper"} or Optimizer, default="default"
        Learning rates of the three stages, their course, and weight decay, see
        `stnclf.training.Optimizer`. "default" has the rates 3e-3, 3e-3 and 5e-4, each the peak of
        a one-cycle schedule, and a weight decay of 0.05; "paper" has 1e-3, 1e-4 and 1e-4,
        constant, without weight decay. An object has parameters of its own:
        ``optimizer__weight_decay`` in a search or ``set_params``; a name has none.
    kappa : float, default=1.0
        Weight of the classification loss in the joint stage (equation 9).
    label_smoothing : float, default=0.05
        Part of the target that is distributed evenly over all classes.
    batch_size : int, default=32
        Samples in a step. On processors each 16 of them have a thread.
    balance : bool or "fixed", default=True
        Delete samples at random down to the size of the smallest class, in training only:
        drawn anew each epoch (True), once ("fixed"), or not at all (False).
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the losses, as in scikit-learn: a dict of label to weight,
        or weights inverse to the classes' frequencies. Meant for ``balance=False``, since
        deletion has evened out the frequencies already.
    validation_fraction : float, default=None
        Fraction of the training samples that is held out, stratified by class, to end each stage
        when its loss there has not fallen for ten epochs, with the best weights; a
        `skorch.callbacks.EarlyStopping` among ``callbacks`` takes the place of this rule. None
        uses all samples for all epochs.
    augment : {"default", "paper"}, None or Augmentation, default="default"
        Changes of the images in training, see `stnclf.sampling.Augmentation`. "default" stands
        for ``Augmentation()``; "paper" shows each image as it is and again rotated, and changes
        nothing else; None changes nothing. An object has parameters of its own:
        ``augment__flip`` in a search or ``set_params``; a name has none.
    tta : bool, default=True
        Test-time augmentation: average probabilities over the eight symmetries of the window. May
        be changed after ``fit`` by ``set_params``, and so may ``n_glimpses``.
    device : str, default="auto"
        "cpu", "cuda", "cuda:N", or "auto" for a GPU where there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        What training steps compute in. "auto" is bfloat16 on processors (AVX-512 BF16) and GPUs
        (compute capability 8) that are faster with it, else float32. Weights, theta, losses and
        all predictions are float32 in any case.
    compile : bool, default=False
        Compile the networks with ``torch.compile`` for training: on a GPU steps are 1.2 to 1.4
        times as fast, on processors it costs more than it saves. Where it fails, a RuntimeWarning
        says so and training goes on without it.
    warm_start : bool, default=False
        Continue from the weights of the last fit instead of drawing new ones.
    init : estimator, str or path-like, default=None
        Begin with the weights of a fitted estimator of this class or of a model file
        (`stnclf.save`), where names and shapes agree. Layers with a unit for each class are new
        if the classes are others. `clone` and cross-validation keep the estimator as it is.
    checkpoint : str or path-like, default=None
        File in which the state of the training is kept, written at the end of every epoch. A
        ``fit`` with the same parameters and data that finds it there continues where it stopped,
        and on the CPU ends with the same weights bit for bit. Other parameters or data are an
        error. The file stays when the training is over.
    callbacks : list of skorch callbacks, default=None
        Copies of them run in every stage.
    random_state : int, RandomState instance or None, default=None
        Decides everything that is drawn. On the CPU the same seed gives the same weights bit
        for bit. Global generators are neither used nor changed.
    verbose : int, default=0
        1 shows a progress bar for each stage, 2 a line for each epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, in the order of the columns of ``predict_proba``.
    n_features_in_ : int
        Values in an image.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of X's columns, where it was a table that has them.
    image_shape_ : tuple of int
        (height, width, channels) of the images.
    pixel_unit_ : object
        What the pixels were: 8-bit, 16-bit, 0 to 1, or numbers in another range; str() names it.
        Predictions take pixels of the same unit, in any dtype.
    patch_size_, cell_size_ : tuple of int
        (height, width) of patch and window in pixels.
    has_cell_ : bool ndarray of shape (n_classes,)
        Which classes had a cell in training. Those that had none, for `centers` was NaN, are
        background, and `stnclf.scan.scan` does not report them unless asked.
    objectness_ : bool
        Whether the localizer has learned an absolute probability that a cell is here, from rows
        of NaN in `centers` or from `neighbors`.
    net_ : CellNet
        The skorch net; ``net_.module_`` is the torch module, always on the CPU.
    history_ : list of dict
        One row per epoch: stage, epoch, losses, learning rate at its end, seconds.
    detection_thresholds_ : dict of label to float
        Least probability of a detection of each class, which `stnclf.scan.scan` takes unless told
        otherwise; empty after `fit`. `stnclf.metrics.choose_thresholds` finds them, and model
        files keep them.

    See Also
    --------
    CiresanBaseline : The 12-layer network that the paper compares with.

    Notes
    -----
    `stnclf.PAPER` holds the configuration of the paper. Differences that remain are in what
    the paper leaves open: kernel and map counts, batch size, kappa, and standardised input.

    References
    ----------
    .. [1] "A Guided Spatial Transformer Network for Histology Cell Differentiation",
       arXiv:1707.08525, 2017.
    .. [2] M. Jaderberg, K. Simonyan, A. Zisserman, K. Kavukcuoglu, "Spatial Transformer
       Networks", NeurIPS 2015.
    .. [3] R. Girshick, "Fast R-CNN", ICCV 2015.

    Examples
    --------
    >>> from stnclf import STNCellClassifier
    >>> from stnclf.datasets import make_cells
    >>> X, y, centers = make_cells(24, patch_size=64, offset=8, random_state=0)
    >>> clf = STNCellClassifier(
    ...     classifier_epochs=1, localizer_epochs=1, joint_epochs=1, random_state=0
    ... )
    >>> clf.fit(X, y, centers=centers).predict_proba(X).shape
    (24, 3)
    >>> clf.transform(X).shape
    (24, 2)
    """

    _parameter_constraints: dict = {
        **BaseCellClassifier._parameter_constraints,
        "localizer": [StrOptions(set(LOCALIZERS))],
        "classifier": [StrOptions({"auto", ON_MAPS, *CLASSIFIERS})],
        "n_glimpses": [Interval(Integral, 1, None, closed="left")],
        "classifier_epochs": _COUNT,
        "localizer_epochs": _COUNT,
        "joint_epochs": _COUNT,
        "kappa": _POSITIVE,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "tta": ["boolean"],
    }

    _NAMED = {
        "augment": {
            "default": Augmentation(),
            "paper": Augmentation.only(rotate="copy"),
            None: Augmentation.only(),
        },
        "optimizer": {
            "default": Optimizer(lr=(3e-3, 3e-3, 5e-4)),
            "paper": Optimizer(lr=(1e-3, 1e-4, 1e-4), schedule="constant", weight_decay=0.0),
        },
    }

    def __init__(
        self,
        *,
        patch_size=None,
        cell_size=None,
        image_shape=None,
        mpp=None,
        localizer="heatmap",
        classifier="auto",
        n_glimpses=1,
        classifier_epochs=80,
        localizer_epochs=50,
        joint_epochs=20,
        optimizer="default",
        kappa=1.0,
        label_smoothing=0.05,
        batch_size=32,
        balance=True,
        class_weight=None,
        validation_fraction=None,
        augment="default",
        tta=True,
        device="auto",
        precision="auto",
        compile=False,
        warm_start=False,
        init=None,
        checkpoint=None,
        callbacks=None,
        random_state=None,
        verbose=0,
    ):
        self.patch_size = patch_size
        self.cell_size = cell_size
        self.image_shape = image_shape
        self.mpp = mpp
        self.localizer = localizer
        self.classifier = classifier
        self.n_glimpses = n_glimpses
        self.classifier_epochs = classifier_epochs
        self.localizer_epochs = localizer_epochs
        self.joint_epochs = joint_epochs
        self.optimizer = optimizer
        self.kappa = kappa
        self.label_smoothing = label_smoothing
        self.batch_size = batch_size
        self.balance = balance
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.augment = augment
        self.tta = tta
        self.device = device
        self.precision = precision
        self.compile = compile
        self.warm_start = warm_start
        self.init = init
        self.checkpoint = checkpoint
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Images,
        y: ArrayLike,
        centers: ArrayLike | None = None,
        neighbors: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        stages: Sequence[str] = ("classifier", "localizer", "joint"),
    ) -> STNCellClassifier:
        """Train the networks.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            uint8 (divided by 255) or float array of shape (n_samples, height, width,
            channels) or (n_samples, height, width); rows of flattened images, see
            ``image_shape``; or a sequence of paths or PIL images of one size.
        y : array-like of shape (n_samples,)
            Labels of the annotated cells.
        centers : array-like of shape (n_samples, 2), default=None
            ``(x, y)`` of the cells in pixels of the images given; integer = pixel centre,
            (0, 0) is the top-left pixel. None means that every cell is in the middle. A row of
            NaN says that there is no cell: the class is learned from the patch as it is, and the
            localizer learns that nothing is to be found there.
        neighbors : array-like of shape (n_samples, k, 3), default=None
            The other annotated cells in each image: ``(x, y)`` in pixels, and the index of the
            class in ``classes_``, -1 where it is not known; padded with rows of NaN
            (`stnclf.slides.extract_patches` gives them). The localizer is taught all of them that
            are in view; what has no class is neither a cell nor background. They, and rows of
            NaN in `centers`, need the heatmap localizer.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in all losses; samples of weight zero are left out.
        stages : sequence of str, default=("classifier", "localizer", "joint")
            Stages to train, in this order. With ``warm_start=True`` a later call continues.

        Returns
        -------
        STNCellClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument or parameter is not of the kind described; the message names it.
        TypeError
            If X or y are no arrays of numbers or labels.
        FloatingPointError
            If a loss or a weight becomes NaN or infinite; the message names stage and epoch.
        OSError
            If the checkpoint cannot be written.

        Notes
        -----
        An interruption (KeyboardInterrupt) reaches the caller and leaves what was learned so far:
        ``predict`` works, and ``history_`` has the epochs that were finished.
        """
        return self._fit(X, y, centers, sample_weight, stages, neighbors)

    def _stages(self):
        # Where the window is the whole patch, the stages of both kinds do the same.
        return guided_stages(self, self._rates(), shared=self._kind() == ON_MAPS)

    def _kind(self, frame=None):
        """Which classifier there is; `frame` tells whether the window is the whole patch."""
        if self.classifier != "auto":
            return self.classifier
        whole = frame is not None and frame.cell == frame.patch
        return ON_MAPS if LOCALIZERS[self.localizer].has_heatmap and not whole else "context"

    def _check_networks(self, frame):
        whole = frame.cell == frame.patch
        if whole:
            why = f"cell_size {frame.cell} is smaller than the patch, {frame.patch}"
        else:
            why = "localizer='heatmap'"
        if not whole and LOCALIZERS[self.localizer].has_heatmap:
            return
        if self.classifier == ON_MAPS:
            raise argument_error(
                "classifier",
                f"got {self.classifier!r}, which there is only where {why}; wants "
                f"'auto' or one of {list(CLASSIFIERS)}.",
            )
        if self.n_glimpses > 1:
            raise argument_error(
                "n_glimpses",
                f"got {self.n_glimpses}, but there are several peaks only where {why}; wants 1.",
            )

    def _learns_objectness(self, frame):
        return LOCALIZERS[self.localizer].has_heatmap and frame.cell != frame.patch

    def _check_cells(self, given):
        if not given.absolute:
            return
        name = "centers" if given.neighbors is None else "neighbors"
        if not self._learns_objectness(given.frame):
            if name == "neighbors" or given.frame.cell != given.frame.patch:
                what = "other cells" if name == "neighbors" else "NaN, for patches without a cell,"
                raise argument_error(
                    name,
                    f"got {what} which only the heatmap localizer learns, in a window smaller than "
                    f"the patch; wants localizer='heatmap', cell_size below {given.frame.patch}.",
                )
        elif np.isnan(given.centers).all() and given.neighbors is None:
            raise argument_error("centers", "all are NaN; wants a cell in one patch at least.")

    def _build(self, frame, n_channels, n_classes, mean, std):
        kind = self._kind(frame)
        if frame.cell == frame.patch:  # nothing to look for
            localizer = FixedLocalizer()
        else:
            scale = tuple(c / p for c, p in zip(frame.cell[::-1], frame.patch[::-1]))
            made = SharedLocalizer if kind == ON_MAPS else LOCALIZERS[self.localizer]
            localizer = made(n_channels, frame.patch, scale)
        sizes = (frame.patch, frame.cell, mean, std)
        if kind == ON_MAPS:
            module = SharedNet(localizer, MapClassifier(localizer.n_maps, n_classes), *sizes)
        else:
            module = STNNet(localizer, CLASSIFIERS[kind](n_channels, n_classes), *sizes)
        self._set_up(module)
        return module

    def _set_up(self, module):
        # What `set_params` may have changed since fit, where all others are checked.
        changeable = {name: getattr(self, name) for name in ("n_glimpses", "tta")}
        constraints = {name: self._parameter_constraints[name] for name in changeable}
        validate_parameter_constraints(constraints, changeable, type(self).__name__)
        if self.n_glimpses > 1 and not module.localizer.has_heatmap:
            raise argument_error(
                "n_glimpses",
                f"got {self.n_glimpses}, but the fitted localizer has no heatmap, which alone has "
                "several peaks; wants 1.",
            )
        module.n_glimpses, module.tta = self.n_glimpses, self.tta

    def _resolved_parameters(self, image):
        kind = self._kind(self._frame(image))
        return {**super()._resolved_parameters(image), "classifier": kind}

    def _architecture(self):
        return self.localizer, self._kind(self._fitted_frame())


def classifiers(localizer):
    """List the names of the classifiers that there are beside a localizer.

    Parameters
    ----------
    localizer : {"heatmap", "dense"}
        The localizer's name.

    Returns
    -------
    list of str
    """
    on_maps = [ON_MAPS] if LOCALIZERS[localizer].has_heatmap else []
    return [*on_maps, *CLASSIFIERS]
