"""The plain convolutional network that the paper compares with, as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from ._base import _COUNT, BaseCellClassifier
from ._utils.typing import Images
from .networks import CiresanNet
from .sampling import Augmentation
from .training import Optimizer, Stage

__all__ = ["CiresanBaseline"]


class CiresanBaseline(BaseCellClassifier):
    """The 12-layer network of Ciresan et al. over the whole patch (section 4.4).

    Five convolutions, each with maximum pooling, and two fully connected layers. It sees the
    same moved and turned patches in training as `STNCellClassifier` does, but is not told
    where the cell is.

    Parameters
    ----------
    patch_size : int or tuple of int, default=None
        Side, or (height, width), in pixels of the central part of an image that the network
        sees. None is the whole image.
    cell_size : int or tuple of int, default=None
        Side, or (height, width), in pixels of the area that a cell takes, which limits how
        far training moves it. None is half of the patch.
    epochs : int, default=200
        Length of the training, as in the paper.
    optimizer : {"default", "paper"} or Optimizer, default="default"
        Learning rate, its course and weight decay, see `stnclf.training.Optimizer`. Both names
        stand for the paper's rate of 1e-3, constant, without weight decay.
    batch_size : int, default=64
        Samples in a step.
    balance : bool or "fixed", default=True
        Delete samples at random down to the size of the smallest class, in training only:
        drawn anew each epoch (True), once ("fixed"), or not at all (False).
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the losses, as in scikit-learn: a dict of label to weight,
        or weights inverse to the classes' frequencies. Meant for ``balance=False``, since
        deletion has evened out the frequencies already.
    augment : {"default", "paper"}, None or Augmentation, default="default"
        Changes of the images in training, see `stnclf.sampling.Augmentation`. "default" rotates
        patches by arbitrary angles, "paper" shows each image as it is and again rotated, None
        changes nothing. An object has parameters of its own, as ``augment__flip``.
    validation_fraction : float, default=None
        Share of the training samples that is held out, stratified by class, to end the
        training when its loss there has not fallen for ten epochs, with the best weights; a
        `skorch.callbacks.EarlyStopping` among ``callbacks`` takes the place of this rule.
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
        Compile the networks with ``torch.compile`` for training. On a GPU that takes some
        seconds and makes steps about 1.3 times as fast; on processors it costs more than it
        saves. Where it fails, a RuntimeWarning says so and training goes on without it.
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
        Copies of them run during training.
    random_state : int, RandomState instance or None, default=None
        Decides everything that is drawn. On the CPU the same seed gives the same weights bit
        for bit. Global generators are neither used nor changed.
    verbose : int, default=0
        1 shows a progress bar, 2 a line for each epoch.

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
    has_cell_ : bool ndarray of shape (n_classes,)
        Which classes had a cell in training. Those that had none, for `centers` was NaN, are
        background, and `stnclf.scan.scan` does not report them unless asked.
    objectness_ : bool
        False: this network does not learn where a cell is.
    patch_size_, cell_size_ : tuple of int
        (height, width) of patch and cell in pixels.
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
    STNCellClassifier : Looks for the cell first.

    Notes
    -----
    Epochs and rate are the paper's. Its class balancing by a single deletion and its rotated
    copies are ``balance="fixed"`` and ``augment="paper"``, which double the time of an epoch.

    The position that ``transform`` gives was never taught: it is the peak of the
    class-activation map [2]_ of the predicted class, on the maps of the third block (14 x 14
    for a patch of 128 px). ``localize`` gives it the known scale, and ``attend`` returns
    whole patches, since these are what the network sees.

    References
    ----------
    .. [1] D. C. Ciresan, A. Giusti, L. M. Gambardella, J. Schmidhuber, "Mitosis Detection in
       Breast Cancer Histology Images with Deep Neural Networks", MICCAI 2013.
    .. [2] R. L. Draelos, L. Carin, "Use HiResCAM instead of Grad-CAM for faithful
       explanations of convolutional neural networks", arXiv:2011.08891, 2020.

    Examples
    --------
    >>> from stnclf import CiresanBaseline
    >>> from stnclf.datasets import make_cells
    >>> X, y, centers = make_cells(24, random_state=0)
    >>> clf = CiresanBaseline(epochs=1, random_state=0).fit(X, y, centers=centers)
    >>> clf.predict(X).shape
    (24,)
    """

    _parameter_constraints: dict = {
        **BaseCellClassifier._parameter_constraints,
        "epochs": _COUNT,
    }

    _NAMED = {
        "augment": {
            "default": Augmentation.only(rotate=True),
            "paper": Augmentation.only(rotate="copy"),
            None: Augmentation.only(),
        },
        "optimizer": dict.fromkeys(
            ("default", "paper"), Optimizer(lr=(1e-3,), schedule="constant", weight_decay=0.0)
        ),
    }

    def __init__(
        self,
        *,
        patch_size=None,
        cell_size=None,
        epochs=200,
        optimizer="default",
        batch_size=64,
        balance=True,
        class_weight=None,
        augment="default",
        validation_fraction=None,
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
        self.epochs = epochs
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.balance = balance
        self.class_weight = class_weight
        self.augment = augment
        self.validation_fraction = validation_fraction
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
        stages: Sequence[str] = ("classifier",),
    ) -> CiresanBaseline:
        """Train the network.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            uint8 (divided by 255) or float array of shape (n_samples, height, width,
            channels) or (n_samples, height, width); rows of flattened images, see
            ``image_shape``; or a sequence of paths or PIL images of one size.
        y : array-like of shape (n_samples,)
            Labels of the annotated cells.
        centers : array-like of shape (n_samples, 2), default=None
            ``(x, y)`` of the cells in pixels of the images given; they decide how far a patch
            may be moved in training. None means that every cell is in the middle, a row of NaN
            that there is no cell in the patch.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in the loss; samples of weight zero are left out.
        stages : sequence of str, default=("classifier",)
            There is one stage.

        Returns
        -------
        CiresanBaseline
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument or parameter is not of the kind described; the message names it.
        TypeError
            If X or y are no arrays of numbers or labels.
        FloatingPointError
            If a loss or a weight becomes NaN or infinite; the message names the epoch.
        OSError
            If the checkpoint cannot be written.

        Notes
        -----
        An interruption (KeyboardInterrupt) reaches the caller and leaves what was learned so far:
        ``predict`` works, and ``history_`` has the epochs that were finished.
        """
        return self._fit(X, y, centers, sample_weight, stages)

    def _stages(self):
        stage = Stage(
            "classifier",
            learns=("all",),
            classifies="patch",
            localizes=False,
            kappa=1.0,
            epochs=self.epochs,
            lr=self._rates()[0],
        )
        return {"classifier": stage}

    def _build(self, frame, n_channels, n_classes, mean, std):
        return CiresanNet(n_channels, n_classes, frame.patch, frame.cell, mean, std)
