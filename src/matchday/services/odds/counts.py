"""What odds rooms count. One of these may serve the rooms of all shares of a process, one after the other: what is
counted never falls when a share is lost."""

from matchday.counts import LAG_MS, Histogram


class OddsCounts:
    """Since it was made."""

    def __init__(self) -> None:
        self.repriced = 0
        """Prices that changed."""
        self.changes = 0
        """Changes of books that were said."""
        self.incident_to_book = Histogram(LAG_MS)
        """Milliseconds from when an incident happened, as its feed says, until the book that it changed was said."""
