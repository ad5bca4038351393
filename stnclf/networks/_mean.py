"""The mean of probabilities, from their logarithms."""

from __future__ import annotations

__all__ = ["log_sum_exp"]


def log_sum_exp(values, dim):
    """Logarithm of the sum of exponentials, whose bits do not depend on a sample's place.

    torch's ``logsumexp`` over any dimension but the last handles the numbers of several samples in
    one vector instruction and what is left over one by one, in other roundings. ``log_softmax``
    over the last one takes each sample by itself.

    Parameters
    ----------
    values : Tensor
        Numbers.
    dim : int
        The dimension to sum over.

    Returns
    -------
    Tensor
        Without that dimension.

    Examples
    --------
    >>> import torch
    >>> from stnclf.networks._mean import log_sum_exp
    >>> log_sum_exp(torch.tensor([[0.25, 0.5], [0.75, 1.5]]).log(), 0).exp().round().tolist()
    [1.0, 2.0]
    """
    values = values.movedim(dim, -1).contiguous()
    # The largest logarithm of a share is near zero, so that little is lost in the difference.
    return values.amax(-1) - values.log_softmax(-1).amax(-1)
