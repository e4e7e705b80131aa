"""What stops a command at its start."""


class StartError(Exception):
    """The platform cannot start: what is wrong and what to do about it."""
