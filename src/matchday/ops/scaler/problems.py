"""What stops the autoscaler from starting."""


class ScalerError(ValueError):
    """A setting or a file that cannot be used: says which, and the remedy."""
