"""The composition: the only place that knows rooms AND backends.

``rooms`` wires them to whatever log, ledger and clock they are handed: the threads of the embedded backends, servers
that many processes share, or synchronous cores under a virtual clock. ``workers`` are the rooms that share work with
those of other processes, ``process`` is any set of rooms until it is told to stop, ``stores`` what the settings name.
"""

from matchday.app.errors import StartError
from matchday.app.gate import Gate
from matchday.app.process import ROOMS, Plan, Started, serve
from matchday.app.rooms import GateRooms, Platform
from matchday.app.secret import sign_token
from matchday.app.stores import stores
from matchday.app.workers import Workers

__all__ = [
    "ROOMS", "Gate", "GateRooms", "Plan", "Platform", "StartError", "Started", "Workers", "serve", "sign_token",
    "stores",
]  # fmt: skip
