"""The list of metrics: every figure that a process says at its ops port, and nothing that is not here.

Names are stable: dashboards, alerts (``deploy/prometheus/rules.yaml``), autoscalers and ``record export`` go by them.
They follow Prometheus' conventions: base units (seconds, bytes), ``_total`` for what only rises. A label has few values
that are known beforehand: never an account, a fixture, a bet or an address. ``docs/metrics.md`` is written from this
list.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from matchday.app.watched import COMMITS, HEARS, SAYS
from matchday.edge.admission import TURNED_AWAY
from matchday.edge.placing import OUTCOMES
from matchday.edge.pressure import Priority
from matchday.model.ledger import Refusal

GATE, FEED, ODDS, SETTLEMENT, RELAY = "gate", "feed", "odds", "settlement", "relay"
EVERY: Final = (GATE, FEED, ODDS, SETTLEMENT, RELAY)
"""Of a process with any of them: of every process."""
LEVELS: Final = ("info", "warning", "error", "critical")
"""Of lines that are logged."""
ENDED_BY_US: Final = ("slow", "idle", "rate", "draining")
"""Why a gate ends a connection."""
DELAYED: Final = ("no", "yes")


class Kind(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One metric."""

    name: str
    kind: Kind
    unit: str
    """What it counts, or the base unit; empty for what is yes or no."""
    rooms: Sequence[str]
    """A process with one of these rooms says it."""
    help: str
    labels: Mapping[str, Sequence[str]] = {}
    """Label -> every value it may have; none: they are known at the start of a process (its release and rooms)."""


C, G, H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
_APPENDING: Final = tuple(SAYS)
_TAILING: Final = tuple(room for room, topics in HEARS.items() if topics)
_SAID: Final = tuple(dict.fromkeys(topic.value for topics in SAYS.values() for topic in topics))
_HEARD: Final = tuple(dict.fromkeys(topic.value for topics in HEARS.values() for topic in topics))

METRICS: Final[Sequence[Metric]] = (
    # the process
    Metric("matchday_info", G, "", EVERY, "What runs here: 1.", {"version": (), "rooms": ()}),
    Metric("matchday_ready", G, "", EVERY, "1 where it can do its work."),
    Metric("matchday_ledger_readable", G, "", EVERY, "1 where it can read the ledger."),
    Metric("process_cpu_seconds_total", C, "seconds", EVERY, "CPU, user and system."),
    Metric("process_start_time_seconds", G, "seconds", EVERY, "When it started, since 1970."),
    Metric("process_resident_memory_bytes", G, "bytes", EVERY, "Resident memory."),
    Metric("process_open_fds", G, "files", EVERY, "Open files."),
    Metric("matchday_loop_lag_seconds", H, "seconds", EVERY, "How late the event loop makes calls; ten a second."),
    Metric(
        "matchday_logged_lines_total",
        C,
        "lines",
        EVERY,
        "Lines logged, those left out as repeats included.",
        {"level": LEVELS},
    ),
    Metric(
        "matchday_shares",
        G,
        "shares",
        (FEED, ODDS, SETTLEMENT, RELAY),
        "Shares of a room's work held.",
        {"room": (FEED, ODDS, SETTLEMENT, RELAY)},
    ),
    Metric("matchday_on_their_way", G, "calls", EVERY, "Appends and commits that have not been answered."),
    # log and ledger, as rooms see them
    Metric(
        "matchday_log_append_seconds",
        H,
        "seconds",
        _APPENDING,
        "From an append to its answer: durable, or refused.",
        {"room": _APPENDING},
    ),
    Metric(
        "matchday_log_appends_refused_total",
        C,
        "appends",
        _APPENDING,
        "Appends that the log did not take.",
        {"room": _APPENDING},
    ),
    Metric(
        "matchday_log_said_records_total",
        C,
        "records",
        _APPENDING,
        "Records handed to the log.",
        {"room": _APPENDING, "topic": _SAID},
    ),
    Metric("matchday_log_behind_records", G, "records", EVERY, "On the log and not heard yet."),
    Metric("matchday_log_behind_seconds", G, "seconds", EVERY, "For how long the oldest of these has been there."),
    Metric("matchday_log_silent_seconds", G, "seconds", EVERY, "For how long the log has not said how far it goes."),
    Metric(
        "matchday_log_lag_seconds",
        H,
        "seconds",
        _TAILING,
        "From the append of a batch's oldest record until its room hears it.",
        {"room": _TAILING, "topic": _HEARD},
    ),
    Metric(
        "matchday_log_heard_records_total",
        C,
        "records",
        _TAILING,
        "Records heard.",
        {"room": _TAILING, "topic": _HEARD},
    ),
    Metric(
        "matchday_log_last_heard_timestamp_seconds",
        G,
        "seconds",
        _TAILING,
        "When a room last heard something, since 1970; 0: never.",
        {"room": _TAILING, "topic": _HEARD},
    ),
    Metric(
        "matchday_ledger_commit_seconds",
        H,
        "seconds",
        COMMITS,
        "From a commit to its answer: durable, or refused.",
        {"room": COMMITS},
    ),
    Metric(
        "matchday_ledger_commit_commands",
        H,
        "commands",
        COMMITS,
        "Commands of one commit; each bet to be settled is one.",
        {"room": COMMITS},
    ),
    Metric(
        "matchday_ledger_commits_refused_total",
        C,
        "commits",
        COMMITS,
        "Commits that the ledger did not take.",
        {"room": COMMITS},
    ),
    # the gate: who is here
    Metric("matchday_gate_connections", G, "connections", (GATE,), "Open push connections."),
    Metric("matchday_gate_accounts", G, "fans", (GATE,), "Fans signed in on a connection."),
    Metric("matchday_gate_fans", G, "fans", (GATE,), "Active fans."),
    Metric("matchday_gate_waiting", G, "newcomers", (GATE,), "Newcomers in line."),
    Metric("matchday_gate_let_in_total", C, "newcomers", (GATE,), "Newcomers let in."),
    Metric("matchday_gate_pressure", G, "", (GATE,), "What gives way: 0 nothing, 3 all but money."),
    Metric(
        "matchday_gate_shed_total",
        C,
        "requests",
        (GATE,),
        "Requests turned away for pressure.",
        {"priority": tuple(p.name.lower() for p in Priority)},
    ),
    Metric("matchday_gate_draining", G, "", (GATE,), "1 where it sends its clients elsewhere."),
    # the gate: prices
    Metric("matchday_gate_fixtures", G, "fixtures", (GATE,), "Fixtures shown."),
    Metric("matchday_gate_stale", G, "", (GATE,), "1 where no owner of books is heard."),
    Metric("matchday_gate_stale_fixtures", G, "fixtures", (GATE,), "Fixtures of silent owners."),
    Metric(
        "matchday_gate_book_age_seconds",
        H,
        "seconds",
        (GATE,),
        "From when a change of a book was said until a gate took it in.",
    ),
    # the gate: requests and frames
    Metric("matchday_http_requests_total", C, "requests", (GATE,), "HTTP requests answered."),
    Metric("matchday_push_messages_total", C, "messages", (GATE,), "Words of clients on push connections."),
    Metric("matchday_push_opened_total", C, "connections", (GATE,), "Push connections opened."),
    Metric(
        "matchday_push_turned_away_total", C, "connections", (GATE,), "Clients not let in.", {"reason": TURNED_AWAY}
    ),
    Metric(
        "matchday_push_ended_total",
        C,
        "connections",
        (GATE,),
        "Push connections that the gate ended.",
        {"why": ENDED_BY_US},
    ),
    Metric(
        "matchday_push_fell_behind_total",
        C,
        "times",
        (GATE,),
        "Times that a connection did not keep up, so that changes were merged for it.",
    ),
    Metric("matchday_push_channels", G, "channels", (GATE,), "Channels known."),
    Metric("matchday_push_frames_total", C, "frames", (GATE,), "Frames sent."),
    Metric("matchday_push_sends_total", C, "sends", (GATE,), "Sends: the frames of one tick to one connection."),
    Metric("matchday_push_sent_bytes_total", C, "bytes", (GATE,), "Bytes of frames sent, before TLS and TCP."),
    # the gate: bets
    Metric("matchday_bets_total", C, "bets", (GATE,), "Bets handed to the ledger."),
    Metric("matchday_bets_batches_total", C, "batches", (GATE,), "Batches handed to the ledger."),
    Metric("matchday_bets_batch_size", H, "bets", (GATE,), "Bets of one batch."),
    Metric(
        "matchday_bets_answer_seconds",
        H,
        "seconds",
        (GATE,),
        "From a bet at the door to its answer.",
        {"outcome": OUTCOMES, "delayed": DELAYED},
    ),
    Metric("matchday_bets_refused_total", C, "bets", (GATE,), "Bets refused.", {"reason": tuple(Refusal)}),
    Metric(
        "matchday_bets_not_taken_total", C, "bets", (GATE,), "Bets whose words were wrong, or that were turned away."
    ),
    Metric("matchday_bets_queue", G, "bets", (GATE,), "Bets that wait for the ledger."),
    Metric("matchday_bets_delayed", G, "bets", (GATE,), "Bets that wait their delay in play."),
    Metric("matchday_taps_logged_total", C, "taps", (GATE,), "Taps that are on the log."),
    Metric("matchday_taps_refused_total", C, "taps", (GATE,), "Taps that the log did not take, or that were too many."),
    Metric("matchday_taps_held", G, "taps", (GATE,), "Taps that the log has not taken yet."),
    # the other rooms
    Metric("matchday_feed_fixtures", G, "fixtures", (FEED,), "Fixtures announced and not over."),
    Metric(
        "matchday_feed_silent", G, "", (FEED,), "1 where there is something to cover, and it is behind or out of touch."
    ),
    Metric("matchday_feed_rejected_total", C, "reports", (FEED,), "Reports that cannot be."),
    Metric("matchday_odds_books", G, "books", (ODDS,), "Books owned here."),
    Metric("matchday_odds_changes_total", C, "changes", (ODDS,), "Changes of books said."),
    Metric("matchday_odds_prices_changed_total", C, "prices", (ODDS,), "Prices that changed."),
    Metric(
        "matchday_odds_incident_to_book_seconds",
        H,
        "seconds",
        (ODDS,),
        "From an incident, as its feed says when, until the change of its book was said.",
    ),
    Metric(
        "matchday_settlement_waiting",
        G,
        "pieces",
        (SETTLEMENT,),
        "Pieces of work that wait: decisions to be swept, bets that came late.",
    ),
    Metric(
        "matchday_relay_backlog",
        G,
        "facts",
        (RELAY,),
        "Facts read from the outbox that are not on their way to the log.",
    ),
)
"""In the order in which they are said and documented."""
BY_NAME: Final = {metric.name: metric for metric in METRICS}


def said_by(rooms: Sequence[str]) -> list[Metric]:
    """What a process of these rooms says."""
    return [metric for metric in METRICS if set(metric.rooms) & set(rooms)]
