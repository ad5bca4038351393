"""The guided spatial transformer network as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions

from ._base import _COUNT, _POSITIVE, BaseCellClassifier
from ._utils.typing import Images
from .networks import (
    CLASSIFIERS,
    LOCALIZERS,
    FixedLocalizer,
    MapClassifier,
    SharedLocalizer,
    SharedNet,
    STNNet,
    ZoomClassifier,
    ZoomNet,
)
from .training import guided_stages

__all__ = ["PAPER", "STNCellClassifier"]

#: Classifiers that read the maps of the heatmap localizer's first layers.
ON_MAPS = {"shared": (MapClassifier, SharedNet), "zoom": (ZoomClassifier, ZoomNet)}

_SHARE = [Interval(Real, 0, 1, closed="left")]

#: The configuration of the 2017 paper, for ``STNCellClassifier(**PAPER)``.
PAPER = {
    "localizer": "dense",
    "classifier": "inception",
    "classifier_epochs": 50,
    "localizer_epochs": 200,
    "joint_epochs": 100,
    "classifier_lr": 1e-3,
    "localizer_lr": 1e-4,
    "joint_lr": 1e-4,
    "kappa": 1.0,
    "batch_size": 64,
    "balance": "fixed",
    "rotate": "copy",
    "flip": False,
    "scale_jitter": 0.0,
    "color_jitter": 0.0,
    "center_jitter": 0.0,
    "label_smoothing": 0.0,
    "n_glimpses": 1,
    "class_maps": False,
    "tta": False,
    "schedule": "constant",
    "weight_decay": 0.0,
}


class STNCellClassifier(BaseCellClassifier):
    """Find the cell in a patch, then name it: a guided spatial transformer network.

    A localizer network lays a window on the cell inside the patch, a small classifier names
    the cell in that window. They are trained in three stages, guided by the known centres of
    the cells: ``"classifier"`` on windows at the true centres, ``"localizer"`` on randomly moved
    patches, and ``"joint"``, both together, on the windows that the localizer chooses. Networks
    that share layers (``classifier="shared"``) keep learning the classes in the second stage.

    Parameters
    ----------
    patch_size : int or tuple of int, default=None
        Side, or (height, width), in pixels of the central part of an image that the networks
        see. What lies around it is used in training only, for patches that are moved and
        turned. None is the whole image.
    cell_size : int or tuple of int, default=None
        Side, or (height, width), in pixels of the window, large enough for a whole cell.
        None is half of the patch (equation 2).
    localizer : {"heatmap", "dense"}, default="heatmap"
        "dense" is the paper's network, which regresses theta. "heatmap" scores positions and
        takes the best: of several candidates it chooses one and not their mean.
    classifier : {"shared", "zoom", "context", "window", "inception"}, default="shared"
        The classifier network. "shared" reads the heatmap localizer's first maps, in the window
        and in the whole patch [2]_ [3]_; one network is trained in place of two. "zoom" sees the
        window itself through these layers, magnified, and with ``n_glimpses`` compares several
        [4]_: meant for patches much wider than the cell. The others look at the pixels:
        "inception" is the paper's, "window" is made of batch-normalised convolutions, "context"
        sees the window and one of twice its size around it. It stands in for "shared" and "zoom"
        with the dense localizer, and where the window is the whole patch.
    n_glimpses : int, default=1
        How many peaks of the heatmap are looked at; the class probabilities are averaged with
        the peaks' shares. The dense localizer has one answer only. With ``classifier="zoom"`` the
        second look has a say in the shares, and the peak with the largest one is the answer.
    class_maps : bool, default=False
        Give the heatmap a map for each class, which speak for the positions that are not looked
        at: a patch in which a cell of another class could as well be meant gets a probability
        that says so. The dense localizer has no maps.
    classifier_epochs, localizer_epochs, joint_epochs : int, default=80, 50, 20
        Length of the three stages. The paper's are 50, 200 and 100.
    classifier_lr, localizer_lr, joint_lr : float, default=3e-3, 3e-3, 5e-4
        Initial learning rates of the stages. The paper's are 1e-3, 1e-4 and 1e-4.
    kappa : float, default=1.0
        Weight of the classification loss in the joint stage (equation 9).
    batch_size : int, default=32
        Samples in a step. On processors each 16 of them have a thread.
    balance : bool or "fixed", default=True
        Delete samples at random down to the size of the smallest class, in training only:
        drawn anew each epoch (True), once ("fixed"), or not at all (False).
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the losses, as in scikit-learn: a dict of label to weight,
        or weights inverse to the classes' frequencies. Meant for ``balance=False``, since
        deletion has evened out the frequencies already.
    rotate : bool or "copy", default=True
        Turn patches in training by arbitrary angles. "copy" shows each image as it is and
        again turned, as the paper does, which doubles an epoch.
    flip : bool, default=True
        Mirror every other patch in training.
    scale_jitter : float, default=0.0
        In training each patch is magnified about its cell by a factor between
        ``1 / (1 + scale_jitter)`` and ``1 + scale_jitter``. Whether it pays depends on the cells.
    color_jitter : float, default=0.1
        In training each channel is multiplied by a factor at most this far from 1 and shifted
        by at most twice as many standard deviations.
    center_jitter : float, default=0.03
        Largest distance along x and y, in cell sizes, by which windows on the true centre miss it.
    label_smoothing : float, default=0.05
        Share of the target class that is spread evenly over all classes.
    tta : bool, default=True
        Test-time augmentation: average probabilities over the eight symmetries of the window.
    schedule : {"one-cycle", "constant"}, default="one-cycle"
        Course of the learning rate within a stage.
    weight_decay : float, default=0.05
        Decoupled weight decay of the Adam optimizer.
    validation_fraction : float, default=None
        Share of the training samples that is held out, stratified by class, to end each stage
        when its loss there no longer falls, with the best weights. None uses all samples for
        all epochs.
    n_iter_no_change : int, default=10
        Epochs without a better validation loss that end a stage.
    image_shape : tuple of int, default=None
        (height, width, channels) of images that come as rows of X.
    mpp : float, default=None
        Micrometres per pixel of the images, where known: `stnclf.scan.scan` reads slides so.
    device : str, default="auto"
        "cpu", "cuda", "cuda:N", or "auto" for a GPU where there is one.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        What training steps compute in. "auto" is bfloat16 on processors (AVX-512 BF16) and GPUs
        (compute capability 8) that are faster with it, else float32. Weights, theta, losses and
        all predictions are float32 in any case.
    compile : bool, default=False
        Compile the networks with ``torch.compile`` for training: on a GPU steps are about 1.4
        times as fast, on processors it costs more than it saves. Where it fails, a RuntimeWarning
        says so and training goes on without it.
    warm_start : bool, default=False
        Continue from the weights of the last fit instead of drawing new ones.
    init : estimator, str or path-like, default=None
        Begin with the weights of a fitted estimator of this class or of a model file
        (`stnclf.save`), where names and shapes agree. Layers that name the classes are new if
        the classes are others. `clone` and cross-validation keep the estimator as it is.
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
    patch_size_, cell_size_ : tuple of int
        (height, width) of patch and window in pixels.
    net_ : CellNet
        The skorch net; ``net_.module_`` is the torch module, always on the CPU.
    history_ : list of dict
        One row an epoch: stage, epoch, losses, learning rate at its end, seconds.

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
    .. [4] S. Ren, K. He, R. Girshick, J. Sun, "Faster R-CNN: Towards Real-Time Object Detection
       with Region Proposal Networks", NeurIPS 2015.

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
        "classifier": [StrOptions({*ON_MAPS, *CLASSIFIERS})],
        "n_glimpses": [Interval(Integral, 1, None, closed="left")],
        "class_maps": ["boolean"],
        "flip": ["boolean"],
        "scale_jitter": _SHARE,
        "color_jitter": _SHARE,
        "center_jitter": _SHARE,
        "label_smoothing": _SHARE,
        "tta": ["boolean"],
        "classifier_epochs": _COUNT,
        "localizer_epochs": _COUNT,
        "joint_epochs": _COUNT,
        "classifier_lr": _POSITIVE,
        "localizer_lr": _POSITIVE,
        "joint_lr": _POSITIVE,
        "kappa": _POSITIVE,
    }

    def __init__(
        self,
        *,
        patch_size=None,
        cell_size=None,
        localizer="heatmap",
        classifier="shared",
        n_glimpses=1,
        class_maps=False,
        classifier_epochs=80,
        localizer_epochs=50,
        joint_epochs=20,
        classifier_lr=3e-3,
        localizer_lr=3e-3,
        joint_lr=5e-4,
        kappa=1.0,
        batch_size=32,
        balance=True,
        class_weight=None,
        rotate=True,
        flip=True,
        scale_jitter=0.0,
        color_jitter=0.1,
        center_jitter=0.03,
        label_smoothing=0.05,
        tta=True,
        schedule="one-cycle",
        weight_decay=0.05,
        validation_fraction=None,
        n_iter_no_change=10,
        image_shape=None,
        mpp=None,
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
        self.localizer = localizer
        self.classifier = classifier
        self.n_glimpses = n_glimpses
        self.class_maps = class_maps
        self.classifier_epochs = classifier_epochs
        self.localizer_epochs = localizer_epochs
        self.joint_epochs = joint_epochs
        self.classifier_lr = classifier_lr
        self.localizer_lr = localizer_lr
        self.joint_lr = joint_lr
        self.kappa = kappa
        self.batch_size = batch_size
        self.balance = balance
        self.class_weight = class_weight
        self.rotate = rotate
        self.flip = flip
        self.scale_jitter = scale_jitter
        self.color_jitter = color_jitter
        self.center_jitter = center_jitter
        self.label_smoothing = label_smoothing
        self.tta = tta
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.image_shape = image_shape
        self.mpp = mpp
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
            (0, 0) is the top-left pixel. None means that every cell is in the middle.
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
        return self._fit(X, y, centers, sample_weight, stages)

    def _stages(self):
        return guided_stages(self, shared=self._kind() in ON_MAPS)

    def _kind(self):
        """Which classifier there is: without a heatmap there are no maps to share."""
        return self.classifier if self.classifier in classifiers(self.localizer) else "context"

    def _build(self, frame, n_channels, n_classes, mean, std):
        kind = self._kind()
        if frame.cell == frame.patch:  # nothing to look for, and no maps to share
            kind, localizer = "context" if kind in ON_MAPS else kind, FixedLocalizer()
        else:
            scale = tuple(c / p for c, p in zip(frame.cell[::-1], frame.patch[::-1]))
            maps = {"n_classes": n_classes} if self._has_maps() else {}
            made = SharedLocalizer if kind in ON_MAPS else LOCALIZERS[self.localizer]
            localizer = made(n_channels, frame.patch, scale, **maps)
        sizes = (frame.patch, frame.cell, mean, std)
        if kind in ON_MAPS:
            classifier, system = ON_MAPS[kind]
            module = system(localizer, classifier(localizer.n_maps, n_classes), *sizes)
        else:
            module = STNNet(localizer, CLASSIFIERS[kind](n_channels, n_classes), *sizes)
        self._set_up(module)
        return module

    def _set_up(self, module):
        module.n_glimpses, module.tta = self.n_glimpses, self.tta

    def _architecture(self):
        return self.localizer, self._kind(), self._has_maps()

    def _has_maps(self):
        return self.class_maps and LOCALIZERS[self.localizer].has_heatmap


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
    on_maps = ON_MAPS if LOCALIZERS[localizer].has_heatmap else ()
    return [*on_maps, *CLASSIFIERS]
