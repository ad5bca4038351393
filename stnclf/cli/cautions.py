"""What a reader of scores should know before believing them."""

from __future__ import annotations

import numpy as np

from .._utils.run import read_sidecar
from .outputs import target

__all__ = ["all_in_the_middle", "cautions_about_model", "cautions_about_scores"]


def all_in_the_middle(patches):
    """Say whether all cells of a patch set lie in the middle, or nobody knows where they are."""
    if patches.centers is None:
        return True
    middle = (np.array(patches.X.shape[2:0:-1]) - 1) / 2
    off = np.abs(patches.centers - middle)
    return not (off > 1).any()  # NaN is a patch without a cell


def cautions_about_model(model, patches):
    """Warn of a model that was trained on the patches that it is scored on.

    Parameters
    ----------
    model : Path
        The model file; what it was made of stands beside it, if `stnclf train` made it.
    patches : dict
        What `stnclf._utils.identity.describe_file` says of the patches.

    Returns
    -------
    list of str
    """
    made_of = read_sidecar(target(model)) or {}
    if made_of.get("patches") != patches:
        return []
    return [f"{model.name} was trained on these patches: its scores say nothing about other cells"]


def cautions_about_scores(results):
    """Warn of localizers that are no better than the answer "in the middle" every time.

    Parameters
    ----------
    results : dict of str to dict
        Scores of each method, see `stnclf.report.evaluate`.

    Returns
    -------
    list of str
    """
    cautions = []
    for name, scores in results.items():
        found, guess = scores.get("localization"), scores.get("center_guess")
        if found and guess and guess["median"] > 0 and found["median"] >= guess["median"]:
            cautions.append(
                f"{name} finds cells no better than the guess that all are in the middle (median "
                f"error {found['median']:.1f} px, of the guess {guess['median']:.1f} px): trained "
                "too little?"
            )
    return cautions
