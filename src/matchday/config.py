"""Settings: each with its unit, its default and what follows from it.

Read from a TOML file (one table per class below, in lower case) and from ``MATCHDAY_…`` variables
(``MATCHDAY_BETS_QUEUE_MAX=2000``); the variables win. A variable whose name ends in ``_FILE`` names a file with
the text of its setting (``MATCHDAY_POSTGRES_ADDRESS_FILE=/run/secrets/address``), so that what is secret need not
stand in the environment. A wrong or unknown setting stops at start and says what to set.
"""

import os
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from matchday.model.money import decimals

MOST: Final = 10**15
"""The largest setting: sums stay far inside 64 bits."""
Limit = Annotated[int, Meta(ge=1, le=MOST)]
"""What must leave room for something, or time for it."""
Level = Annotated[int, Meta(ge=0, le=MOST)]
"""What may be nothing."""
PORT_MAX: Final = 65_535
Port = Annotated[int, Meta(ge=0, le=PORT_MAX)]
"""A TCP port; 0: any that is free."""
Text = Annotated[str, Meta(max_length=10_000)]
"""May be empty: then nothing is named."""
Names = Annotated[tuple[str, ...], Meta(max_length=1_000)]
"""A list; in a variable, separated by commas."""


SECRET_MIN: Final = 16
"""Bytes of a key."""
_FILE: Final = "_file"
FILE_CHARACTERS_MAX: Final = 10_000
"""Characters of a file that holds one setting."""
NUL: Final = "a NUL character, which no path, host or other text may have; take it out"
"""What is wrong with a text that nobody could hand to the operating system or to a server."""


class SettingsError(ValueError):
    """A setting that cannot be: its text names it and the remedy."""


class Doors(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """HTTP and WebSocket."""

    host: Text = "127.0.0.1"
    """Address at which a gate listens; ``0.0.0.0``: at all of this machine's."""
    port: Port = 8_000
    """Where a gate listens."""
    secret_file: Text = ""
    """File with the key that signs tokens, 16 bytes or more, the same for all gates. Without it, and without
    ``secret``, a platform makes one in its data folder; where the ledger is no file there, a gate does not start."""
    secret: Text = ""
    """The key itself, 16 characters or more, for ``MATCHDAY_DOORS_SECRET``: it goes before ``secret_file``. Never
    shown."""
    body_bytes_max: Limit = 65_536
    """Bytes of a request body; a larger one is answered 413 and not read."""
    answer_ms_max: Limit = 5_000
    """Milliseconds a request waits for the ledger; then it is told ``pending`` and asks by its id."""
    guests_per_minute_max: Level = 60
    """New guest accounts per address and minute; more are answered 429."""
    requests_per_second_max: Limit = 50
    """Requests per account and second (bursts of twice that), a slip counting as its bets; more are answered 429."""
    token_s_max: Limit = 43_200
    """Seconds a token is good for (12 hours); then the fan signs in again."""
    page_max: Limit = 100
    """Rows of one answer of a list; more are fetched by the next page."""
    connections_max: Limit = 25_000
    """Connections of this process, for requests and for push together; more are answered 503 and closed. Never more
    than the operating system's limit of open files leaves room for. Keep it above ``push.connections_max``."""
    head_bytes_max: Limit = 16_384
    """Bytes of a request's line and headers; more are answered 431 and closed."""
    headers_max: Limit = 100
    """Headers of a request; more are answered 431 and closed."""
    head_ms_max: Limit = 10_000
    """Milliseconds in which a request's head must have arrived, a handshake's too; then 408, and closed."""
    request_ms_max: Limit = 15_000
    """Milliseconds in which the rest of a request must have arrived, read by somebody or not; then 408, and closed."""
    origins: Names = ()
    """Origins such as ``https://fans.example`` whose pages may open a WebSocket or a stream, besides those of the host
    that is called; others are answered 403."""
    trusted_proxies: Names = ()
    """Addresses and networks whose ``X-Forwarded-For`` is believed; of others it is ignored, so that limits count their
    own address."""
    ticket_s_max: Limit = 30
    """Seconds a ticket for a stream is good for; then a new one is asked for."""

    def __post_init__(self) -> None:
        for network in self.trusted_proxies:
            ip_network(network)
        if self.secret and len(self.secret) < SECRET_MIN:
            raise ValueError(f"secret is shorter than {SECRET_MIN} characters")

    def __repr__(self) -> str:
        """All but the key."""
        return f"Doors({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name != "secret"]


class Push(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Connections and what they are sent."""

    connections_max: Level = 20_000
    """Connections of this process; more are refused with 503."""
    connections_per_address_max: Limit = 500
    """Connections of one address (of one /64 in IPv6); more are refused with 429. A carrier's fans may share one."""
    connections_per_account_max: Limit = 20
    """Connections signed in as one account; one more is not signed in and told ``connections_full``."""
    admissions_per_second_max: Limit = 1_000
    """Connections admitted a second, as many at once after a pause; the rest get 503 and when to come back."""
    retry_s_max: Limit = 30
    """Seconds after which whoever was turned away is told to come back at the latest; drawn at random below it."""
    drain_ms: Level = 10_000
    """Milliseconds over which a gate that stops says goodbye to its clients. Longer: they come to other gates more
    evenly, and it stops later. Keep it below the time that whoever stops the process gives it."""
    drain_return_ms: Level = 2_000
    """Milliseconds up to which each of them is told to wait before it comes back; drawn at random."""
    subscriptions_max: Limit = 100
    """Channels of one connection; more are refused with an error frame."""
    message_bytes_max: Limit = 4_096
    """Bytes of a client's message; a larger one closes with 1009."""
    messages_per_second_max: Limit = 20
    """A client's messages per second (bursts of twice that); more close with 4029."""
    buffer_bytes_max: Limit = 65_536
    """Bytes waiting for one connection; above it deltas merge, so that it gets the latest value of each market."""
    slow_ms_max: Limit = 10_000
    """Milliseconds a connection may stay above its buffer; then it is closed with 4008."""
    fan_out_slice: Limit = 100
    """Connections that are brought up to date before anything else has its turn (some 10 us each). More: a crowd is
    told a little sooner, while answers, and what is said next (new prices after a goal), wait longer."""
    heartbeat_ms: Limit = 5_000
    """Milliseconds of silence after which a connection gets a heartbeat frame."""
    idle_ms_max: Limit = 60_000
    """Milliseconds without a word or a pong from the client; then it is closed with 4009."""
    history_ms: Level = 300_000
    """Milliseconds of history for exact resume; older offsets get a snapshot that says so."""
    history_frames_max: Level = 4_096
    """Changes kept per channel; older offsets get a snapshot that says so."""


class Feed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the feed room says and how often."""

    alive_ms: Limit = 1_000
    """Milliseconds between two ``FeedAlive``."""
    catch_up_late_ms: Limit = 2_000
    """Milliseconds by which the feed may be late with a report before it stops saying ``FeedAlive``."""
    bets_stand_ms: Limit = 172_800_000
    """Milliseconds after its first announced start in which a match may kick off with bets on it standing (48 hours);
    then they are void."""


class Odds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices."""

    overround: Annotated[float, Meta(ge=0, le=1)] = 0.05
    """Sum of implied probabilities - 1 of a two-way market; a three-way one carries half as much again."""
    hold_goal_ms: Level = 30_000
    """Match milliseconds a goal suspends; then the book resumes at new prices."""
    hold_penalty_ms: Level = 15_000
    """Match milliseconds of suspension after a penalty is missed, or a kick of a shoot-out taken (an awarded penalty
    suspends until it is taken)."""
    hold_red_card_ms: Level = 20_000
    """Match milliseconds a sending-off suspends."""
    tick_ms: Limit = 10_000
    """Match milliseconds between two repricings of live books."""
    feed_silence_ms_max: Limit = 5_000
    """Milliseconds of a feed's silence; then its fixtures are suspended until it has caught up."""
    alive_ms: Limit = 1_000
    """Milliseconds between two ``OddsAlive``."""
    whole_book_every: Limit = 64
    """Changes after which a fixture's whole book is kept anew: a restart replays at most as many."""
    quiet_book_records_max: Limit = 20_000
    """Records of ``books``, or of a share's ``incidents``, after which the whole book of a fixture is kept anew though
    nothing was said of it: a gate, or a new owner, begins to read at the oldest book that is kept. Fewer: they start
    sooner where many fixtures are quiet, and quiet books are a larger part of what is written."""


class Bets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Acceptance."""

    queue_max: Limit = 1_000
    """Bets waiting for the ledger; more are answered ``busy`` at once."""
    queue_fixture_max: Limit = 800
    """Of these, bets with a leg on one fixture; more are answered ``busy`` at once, while others still find room."""
    queue_market_max: Limit = 600
    """The same of one market."""
    queue_ms_max: Limit = 2_000
    """Milliseconds a bet may wait for its batch; then it is answered ``busy``. It is judged at the prices of when the
    batch is sealed, so that this is how long after a fan asked that can be."""
    queue_ms_aim: Limit = 150
    """Milliseconds a bet should wait for its batch, by how long the ledger's last commits took: where it would be
    longer, less than ``queue_max`` may wait (a batch at least), so that a slow ledger makes some ``busy``, and nobody
    slow."""
    batch_max: Limit = 256
    """Bets of one commit. Of more that wait, one of each fixture and market after the other."""
    odds_silence_ms_max: Limit = 5_000
    """Milliseconds of the odds owner's silence, or of its messages' way to the gate by both clocks; then every bet is
    refused as ``market_suspended``. Keep the clocks of machines within a second (NTP)."""
    stake_min: Level = 10
    """Minor units; below it ``stake_below_minimum``."""
    stake_max: Level = 50_000
    """Minor units; above it ``stake_above_maximum``."""
    return_max: Level = 2_500_000
    """Minor units a bet may return; above it ``return_above_maximum``."""
    delay_ms: Level = 4_000
    """Milliseconds that a bet or a cash-out with a leg in play waits; then all of it is judged again. 0: no delay."""
    waiting_max: Limit = 10_000
    """Bets and cash-outs that wait their delay; more are answered ``busy`` at once."""
    waiting_fixture_max: Limit = 8_000
    """Of these, bets with a leg on one fixture; more are answered ``busy`` at once, while others still find room."""
    waiting_market_max: Limit = 6_000
    """The same of one market."""
    waiting_account_max: Limit = 50
    """Bets of one account that wait at this gate, their delay or for the ledger; more are answered ``busy`` at once."""
    referral_stake_max: Level = 500_000
    """Minor units up to which a stake above the maximum is referred to a trader, where the fan asks for it."""
    referrals_account_max: Limit = 5
    """Bets of one account that wait for a trader, over all gates; a further one is refused by the maximum that it is
    above, as where the fan asks for no trader."""
    referral_ms: Limit = 60_000
    """Milliseconds a trader has to answer a referral; then ``referral_expired``."""
    offer_ms: Limit = 30_000
    """Milliseconds a trader's offer holds; then ``offer_expired``."""
    cash_out_margin: Annotated[int, Meta(ge=0, le=1_000)] = 50
    """Thousandths of a bet's fair value that a cash-out is lower."""
    quote_ms: Limit = 10_000
    """Milliseconds a cash-out quote holds; then ``quote_expired``. More than ``delay_ms``."""
    cash_outs_watched_max: Limit = 20_000
    """Bets with a cash-out threshold of their own that this gate watches; further ones wait until others are over."""
    exposure_account_max: Level = 5_000_000
    """Minor units the house may lose on one account's open bets; beyond it ``exposure_reached``."""
    exposure_market_max: Level = 20_000_000
    """Minor units of liability on one market, all selections added; beyond it ``exposure_reached``."""
    exposure_selection_max: Level = 10_000_000
    """Minor units the house may lose on one selection; beyond it ``exposure_reached``."""
    exposure_fixture_max: Level = 50_000_000
    """Minor units of liability on one fixture, all selections added; beyond it ``exposure_reached``."""
    writer: Level = 0
    """This gate's number among ``writers``: names its share of each exposure."""
    writers: Limit = 1
    """Gates that share the exposure limits; each may fill limit / writers."""

    def __post_init__(self) -> None:
        if not self.writer < self.writers:
            raise ValueError(f"writer {self.writer} is none of {self.writers} writers; they count from 0")
        if self.quote_ms <= self.delay_ms:
            raise ValueError(f"quote_ms {self.quote_ms} is over before delay_ms {self.delay_ms} is")


class Accounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Guests and their limits."""

    currency: str = "EUR"
    """Of play-money accounts."""
    grant: Level = 100_000
    """Minor units of play money a guest begins with."""
    stake_per_day: Level = 200_000
    """Minor units a fan may stake in a day (UTC) unless he sets less; beyond it ``stake_limit_reached``."""

    def __post_init__(self) -> None:
        decimals(self.currency)


class Settlement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settling bets."""

    page_max: Limit = 128
    """Bets settled in one commit: the more, the sooner all are settled and the longer a fan's bet may wait for one."""
    commit_ms_max: Limit = 50
    """Milliseconds that such a commit may take; where it takes longer, fewer bets are settled in one, down to a quarter
    of ``page_max``."""
    wave_max: Limit = 500_000
    """Bets on what was decided that are read at a time, at 16 bytes each; more are read when these are settled."""
    waiting_max: Limit = 20_000
    """Records of decisions, and of accounts, that were heard and wait for the ledger, some 2 KB each; more are left on
    the log until half of them are done."""


class Storage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The embedded backends."""

    log_hours: Annotated[float, Meta(gt=0, le=87_600)] = 6.0
    """Hours the log keeps what is not compacted."""
    batch_max: Limit = 512
    """Commands or records of one transaction."""


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What carries messages between rooms."""

    kind: Literal["sqlite", "kafka"] = "sqlite"
    """``sqlite``: a file in the data folder, for one process; ``kafka``: for as many as wanted."""


class Ledger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What keeps bets and money."""

    kind: Literal["sqlite", "postgres"] = "sqlite"
    """``sqlite``: a file in the data folder, for one process; ``postgres``: for as many as wanted."""


class Cache(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What gates tell each other in passing: it may be lost at any time, and then costs a little speed."""

    kind: Literal["none", "redis", "memcached"] = "none"
    """``none``: each gate counts requests for itself; ``redis`` (or Valkey), ``memcached``: gates count together."""
    address: str = ""
    """``redis://HOST:PORT/NUMBER``, ``redis+sentinel://HOST:PORT,HOST:PORT/NAME/NUMBER`` (the master of that name, by
    its Sentinels), or ``HOST:PORT`` of Memcached. A password belongs into ``MATCHDAY_CACHE_ADDRESS``."""
    prefix: Annotated[str, Meta(min_length=1, max_length=32, pattern="^[a-z0-9_-]+$")] = "matchday"
    """Before every key: platforms that share a server have one each."""
    timeout_ms: Limit = 200
    """Milliseconds without an answer after which it counts as away, for a second."""

    def __repr__(self) -> str:
        """Without the address, which may hold a password."""
        return f"Cache(kind={self.kind!r}, …)"


class Ops(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What whoever runs a process asks it: ``/healthz``, ``/readyz``, ``/metrics``. Not for the public."""

    host: Text = "127.0.0.1"
    """Address at which it is answered; ``0.0.0.0``: at all of this machine's."""
    port: Port = 9_000
    """Where it is answered, by ``matchday run``."""
    behind_ms_max: Limit = 5_000
    """Milliseconds for which a record may stand on the log that this process has not heard; then it is not ready, until
    it has kept up for some seconds."""
    drain_ms: Level = 10_000
    """Milliseconds that a process which stops waits for what it has said and committed to be answered; what is not
    answered then is heard and done again by whoever takes over."""


class Postgres(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ledger on PostgreSQL, for more than one machine."""

    address: str = ""
    """A connection string of libpq, which may name several hosts: the one that can be written to is used. Passwords
    belong into ``~/.pgpass``, or the whole of it into ``MATCHDAY_POSTGRES_ADDRESS``."""
    standby: str = ""
    """The same of a standby, which then answers reports and scans as far as it is not behind. Empty: none."""
    platform: str = "matchday"
    """The platform's name: a ledger that was begun under another one is refused at start."""
    writers: Annotated[int, Meta(ge=1, le=64)] = 2
    """Connections of this process that commit. More: more commits at once, each of them with smaller batches."""
    batch_max: Annotated[int, Meta(ge=1, le=2_000)] = 256
    """Commands of one transaction, unless one commit alone has more."""
    connect_ms_max: Annotated[int, Meta(ge=2_000, le=MOST)] = 2_000
    """Milliseconds to connect to one host, in whole seconds; then the next is tried, and after the last one commands
    are answered ``unavailable``."""
    statement_ms_max: Limit = 5_000
    """Milliseconds of one statement of a commit, locks included; then the commit is taken back: ``unavailable``."""
    lock_ms_max: Limit = 2_000
    """Milliseconds that a commit waits for an account, a guard or a fixture; then the same."""
    silence_ms_max: Limit = 10_000
    """Milliseconds without a word of the server; then its connection is given up. What was to be committed on it is
    sent again until its outcome is known."""
    read_ms_max: Limit = 500
    """Milliseconds of a read, for which it holds up its process; then it is ``unavailable``, as all reads are until
    there is a new connection."""
    retry_ms: Limit = 100
    """Milliseconds between two attempts to connect, or to find out what became of a commit."""
    outbox_ms: Limit = 20
    """Milliseconds between two looks into the outbox for what other processes committed: so late is news of it."""

    def __repr__(self) -> str:
        """Without addresses, which may hold passwords."""
        return f"Postgres(platform={self.platform!r}, …)"


class Kafka(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The log on Kafka."""

    brokers: Names = ()
    """Addresses (``host:port``) of some of the brokers; they name the others."""
    platform: Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$")] = "matchday"
    """This platform's name: it begins its topics' and groups' names, so that several may share brokers. A log of this
    name that another platform has opened before is refused."""
    client: dict[str, str] = {}
    """Further properties of the client library (librdkafka's CONFIGURATION.md), such as ``security.protocol`` and
    ``sasl.username``. Those that order and durability depend on stay as they are."""
    partitions: Annotated[int, Meta(ge=1, le=1_000)] = 4
    """Partitions of what is shared out: at most as many processes share a room's work. Stays as the topics are made."""
    replicas: Annotated[int, Meta(ge=1, le=9)] = 3
    """Brokers that hold each record. From three on, two must have it before it counts as appended: one may be lost."""
    append_ms_max: Limit = 5_000
    """Milliseconds that an append waits for brokers that do not answer; then it is refused, and nothing of it comes
    later. What they had been handed before is waited for, however long: it may have been appended."""
    read_ms_max: Limit = 10_000
    """Milliseconds that a room that starts waits for what it reads; then the start fails."""
    position_ms: Limit = 500
    """Milliseconds after which a position that moved is committed: as much may be heard again after a crash."""
    silence_ms_max: Annotated[int, Meta(ge=1_000, le=300_000)] = 6_000
    """Milliseconds of silence of a process after which its shares are given to others. Not below the brokers'
    ``group.min.session.timeout.ms`` (6 s by default)."""

    def __repr__(self) -> str:
        """Without the client's properties, which may hold passwords."""
        return f"Kafka(brokers={self.brokers!r}, platform={self.platform!r}, …)"


class Overload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What gives way when more is asked than can be answered in time."""

    lag_ms_aim: Limit = 50
    """Milliseconds by which the loop may be late; above it requests are turned away (503 ``overloaded``), first what
    can be asked again at any time, last bets; never what a fan owns."""
    answer_ms_aim: Limit = 500
    """Milliseconds that an answer of the ledger may take; above it the same."""
    window_ms: Limit = 250
    """Milliseconds over which both are measured."""


class Lobby(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The waiting room."""

    fans_max: Limit = 20_000
    """Fans of this process who are active; above it newcomers wait for their turn."""
    active_ms: Limit = 300_000
    """Milliseconds without a request or a connection after which a fan is no longer active."""
    enter_per_second_max: Limit = 200
    """Newcomers let in per second (bursts of one second's); more wait."""
    waiting_max: Limit = 1_000_000
    """Newcomers who wait; more are turned away (503 ``line_full``)."""
    silent_ms: Limit = 180_000
    """Milliseconds without a question after which somebody who waits has left."""


class Taps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What fans do on their screens, on its way to the log."""

    gather_ms: Level = 20
    """Milliseconds for which taps are gathered into one append: so late is their acknowledgement at least."""
    waiting_max: Limit = 50_000
    """Taps that wait for the log; more are refused (``busy``), and their clients keep them for a while."""


class Logs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a process writes down of itself, on standard error."""

    format: Literal["text", "json"] = "text"
    """``text``: lines for people; ``json``: one object a line, for programs."""
    level: Literal["info", "warning", "error"] = "warning"
    """What is less grave is not written."""
    repeats_per_minute_max: Limit = 20
    """Lines of one origin and wording that are written in a minute; of more, only how many there were."""


class Trace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Traces by OpenTelemetry: what comes with ``matchday[trace]``."""

    endpoint: Text = ""
    """Where spans are sent by OTLP over HTTP, such as ``http://127.0.0.1:4318/v1/traces``. Empty: nothing is traced."""
    sample_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.001
    """Share of bets that are traced, drawn by chance."""
    incident_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Share of incidents that are traced through every room and gate."""
    queue_max: Annotated[int, Meta(ge=512, le=1_000_000)] = 4_096
    """Spans that wait to be sent; further ones are dropped."""
    timeout_ms: Limit = 2_000
    """Milliseconds that sending some of them may take; then they are lost."""


class Recorder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The load of each minute, kept in the data folder of a platform with an embedded ledger."""

    keep_days: Annotated[int, Meta(ge=0, le=3_660)] = 400
    """Days for which it is kept, at some 40 bytes a minute (23 MB in 400 days); 0: nothing is recorded."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings."""

    doors: Doors = Doors()
    push: Push = Push()
    feed: Feed = Feed()
    odds: Odds = Odds()
    bets: Bets = Bets()
    accounts: Accounts = Accounts()
    settlement: Settlement = Settlement()
    storage: Storage = Storage()
    kafka: Kafka = Kafka()
    postgres: Postgres = Postgres()
    overload: Overload = Overload()
    lobby: Lobby = Lobby()
    taps: Taps = Taps()
    cache: Cache = Cache()
    log: Log = Log()
    ledger: Ledger = Ledger()
    ops: Ops = Ops()
    logs: Logs = Logs()
    trace: Trace = Trace()
    recorder: Recorder = Recorder()


_LISTS: Final = {
    part: {name for name, default in msgspec.structs.asdict(settings).items() if isinstance(default, tuple)}
    for part, settings in msgspec.structs.asdict(Settings()).items()
}
"""Part -> its settings that are lists."""


def _listed(value: str) -> list[str]:
    """The names in a variable's text."""
    return [name.strip() for name in value.split(",") if name.strip()]


def _said(variable: str, section: str, field: str, value: str) -> tuple[str, str]:
    """Which setting a variable sets, and to what: to the text of a file where it names one."""
    known = getattr(Settings(), section).__struct_fields__
    setting = field.removesuffix(_FILE)
    if field in known or setting == field or setting not in known:
        return field, value
    try:
        with Path(value).open(encoding="utf-8") as file:
            text = file.read(FILE_CHARACTERS_MAX + 1)
    except OSError as error:
        raise SettingsError(f"variable {variable}: {value}: {error.strerror}; name a file with the setting") from error
    except ValueError as error:
        raise SettingsError(f"variable {variable}: {value!r} is no file of UTF-8 text; name one") from error
    if len(text) > FILE_CHARACTERS_MAX:
        raise SettingsError(f"variable {variable}: {value} has more than {FILE_CHARACTERS_MAX} characters")
    return setting, text.rstrip("\r\n")


def nul_at(value: object, place: str = "$") -> str:
    """Where a text in settings, given as builtins, has a NUL character, such as ``$.doors.host``; empty: nowhere."""
    if isinstance(value, str):
        return place if "\0" in value else ""
    if isinstance(value, dict):
        found = (
            nul_at(name + text if isinstance(text, str) else text, f"{place}.{name}") for name, text in value.items()
        )
        return next(filter(None, found), "").replace("\0", "\\0")
    if isinstance(value, list | tuple):
        return next(filter(None, (nul_at(each, f"{place}[{number}]") for number, each in enumerate(value))), "")
    return ""


def load(path: Path | None = None, environment: dict[str, str] | None = None) -> Settings:
    """Settings from a TOML file and ``MATCHDAY_…`` variables; SettingsError names what is wrong."""
    table: dict[str, Any] = {}
    if path is not None:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"settings file {path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:  # no TOML, not UTF-8, or endless
            raise SettingsError(f"settings file {path}: {error}") from error
    for name, value in (dict(os.environ) if environment is None else environment).items():
        if not name.startswith("MATCHDAY_"):
            continue
        section, _, field = name.removeprefix("MATCHDAY_").lower().partition("_")
        if section not in Settings.__struct_fields__:
            known = ", ".join(f"MATCHDAY_{name.upper()}_…" for name in Settings.__struct_fields__)
            raise SettingsError(f"variable {name} names no part of the settings; known are {known}")
        part = table.setdefault(section, {})
        if isinstance(part, dict):  # else the file's mistake is named below
            field, value = _said(name, section, field, value)
            part[field] = _listed(value) if field in _LISTS.get(section, ()) else value
    where = "settings" if path is None else f"settings file {path} (or a MATCHDAY_… variable)"
    try:
        settings = msgspec.convert(table, Settings, strict=False)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise SettingsError(f"{where}: {error}") from error
    if place := nul_at(msgspec.to_builtins(settings)):
        raise SettingsError(f"{where}: {NUL} - at `{place}`")
    return settings
