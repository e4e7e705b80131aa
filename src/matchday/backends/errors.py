"""What goes wrong with a backend at start, said with its remedy."""


class BackendError(Exception):
    """A backend cannot be used: what is wrong and what to do about it."""
