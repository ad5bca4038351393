"""The members of an ensemble: one model per fold, which has not seen the cells of that fold."""

from __future__ import annotations

import numpy as np

from .._utils.errors import argument_error
from .crossval import make_folds

__all__ = ["HeldOut", "folds_of_members", "train_members"]


def folds_of_members(patches, n_members, seed):
    """Split patches for an ensemble: the folds are those of ``evaluate`` with the same seed.

    Parameters
    ----------
    patches : PatchSet
        Of which slides are not divided.
    n_members : int
        Number of folds.
    seed : int
        Decides them.

    Returns
    -------
    list of (train, test)
        Indices.

    Raises
    ------
    ValueError
        If there are too few slides or samples, or a class that a member would not see.
    """
    folds = make_folds(patches.y, patches.groups, n_members, seed, argument="ensemble")
    classes = np.unique(patches.y)
    for number, (train, _) in enumerate(folds, 1):
        lacking = np.setdiff1d(classes, patches.y[train])
        if len(lacking):
            raise argument_error(
                "ensemble",
                f"got {n_members}, but without fold {number} of them there are no patches of "
                f"{lacking.tolist()}; wants each class in two folds or more.",
            )
    return folds


class HeldOut:
    """Predictions of each patch by the member that has not seen it.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Labels.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted.
    proba : ndarray of shape (n, n_classes)
        NaN before the member of a fold has predicted.
    """

    def __init__(self, y):
        self.y, self.classes = y, np.unique(y)
        self.proba = np.full((len(y), len(self.classes)), np.nan)

    def add(self, member, X, rows):
        """Predict the patches of a fold with the member that has not seen them."""
        self.proba[rows] = member.predict_proba(X[rows])

    def balanced_accuracy(self):
        """Return the mean recall of the classes."""
        from sklearn.metrics import balanced_accuracy_score

        return balanced_accuracy_score(self.y, self.classes[self.proba.argmax(axis=1)])


def train_members(fit, patches, folds, checkpoints):
    """Train the members one after the other.

    Parameters
    ----------
    fit : callable
        Takes the rows to train on and a checkpoint; returns a fitted estimator.
    patches : PatchSet
        The patches.
    folds : list of (train, test)
        Indices.
    checkpoints : list of path-like
        One for each; those that are complete are not trained again.

    Returns
    -------
    members : list of estimator
        Fitted.
    held_out : HeldOut
        What they predict of the folds that they have not seen. It chooses nothing yet.
    """
    members, held_out = [], HeldOut(patches.y)
    for (train, test), checkpoint in zip(folds, checkpoints):
        members.append(fit(train, checkpoint))
        held_out.add(members[-1], patches.X, test)
    return members, held_out
