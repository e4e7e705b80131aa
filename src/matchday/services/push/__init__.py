"""Push: what happened, on every screen that asked for it.

Owns connections, subscriptions and what each has been sent. Hears changed books and account facts from its gate; says
frames. Never judges, prices or stores; what it has lost a client fetches anew.

Channels: ``home`` (every fixture, its main market), ``fixture:ID`` (one whole book), ``account`` (the fan's own). A
channel's offset is the log's (for an account, the outbox's), so that any gate can resume any client.
"""

from matchday.services.push.room import Push
from matchday.services.push.session import Connection
from matchday.services.push.wire import CLOSE_DRAINING, CLOSE_FULL, CLOSE_IDLE, CLOSE_RATE, CLOSE_SLOW, Framing

__all__ = ["CLOSE_DRAINING", "CLOSE_FULL", "CLOSE_IDLE", "CLOSE_RATE", "CLOSE_SLOW", "Connection", "Framing", "Push"]
