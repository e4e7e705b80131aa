"""What the commands do: options in, the platform run, a report for people or programs out."""

import argparse
import asyncio
import logging
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from matchday.app import ROOMS, Plan, Started, StartError, serve, sign_token
from matchday.app.letters import Letter, letters, retry
from matchday.app.logs import tell, tell_crash
from matchday.app.secret import SECRET_BYTES
from matchday.app.stores import adopt, open_log
from matchday.backends.clock_wall import WallClock
from matchday.bench.on_disk import ON_DISK
from matchday.calc import DOCUMENT_BYTES_MAX, Refused, calculate_document
from matchday.config import PORT_MAX, Settings
from matchday.config import load as load_settings
from matchday.feeds.prices import PriceTable
from matchday.feeds.simulated import SimulatedLeague
from matchday.feeds.wyscout import Loaded, Match, WyscoutFeed
from matchday.feeds.wyscout import load as load_matches
from matchday.model.messages import Strengths
from matchday.model.money import format_amount
from matchday.model.reports import Adapter
from matchday.model.role import Role
from matchday.ops.cluster_command import init, make_topics
from matchday.ops.cluster_words import Local
from matchday.output import write_json
from matchday.ports import Clock, Log, LogUnavailable
from matchday.pricing.calibrate import PRIOR
from matchday.progress import steps
from matchday.sim.replay import Replay
from matchday.sim.settle_bench import Latency, Outcome
from matchday.sim.settle_bench import run as run_settle_bench
from matchday.sim.tally import Report
from matchday.words import WordsError, tried, within

_SPEED_MIN, _SPEED_MAX = 0.001, 600.0
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


def up(options: argparse.Namespace) -> int:
    """``matchday up``."""
    settings = _platform(options)
    for part in ("log", "ledger"):
        if getattr(settings, part).kind != "sqlite":
            raise StartError(f"setting {part}.kind: `up` keeps all in one folder; `matchday run ROOM...` uses servers")
    within(options, port=(0, PORT_MAX))
    settings = _at(settings, port=options.port)
    plan = Plan(ROOMS, _adapter(options), options.speed, options.data, with_ops=False)

    def ready(started: Started) -> None:
        _announce(options, f"Matchday is up: {started.door}  (data in {options.data}, Ctrl-C stops it)")

    serve(plan, settings, ready)
    return 0


def run(options: argparse.Namespace) -> int:
    """``matchday run``."""
    settings = _platform(options)
    within(options, port=(0, PORT_MAX), ops_port=(0, PORT_MAX))
    settings = _at(settings, host=options.host, port=options.port, ops_port=options.ops_port)
    rooms = tuple(dict.fromkeys(options.rooms))

    def ready(started: Started) -> None:
        door = f" at {started.door}," if started.door else ""
        _announce(options, f"Matchday runs {' '.join(rooms)}:{door} ops at {started.ops} (SIGTERM drains it)")

    serve(Plan(rooms, _adapter(options), options.speed, options.data, with_ops=True), settings, ready)
    return 0


def _platform(options: argparse.Namespace) -> Settings:
    """What ``up`` and ``run`` are both told; from here on they say all there is to say as ``logs.format`` has it."""
    settings = load_settings(options.config)
    if settings.logs.format == "json":
        options.tell, sys.excepthook = tell, tell_crash
    within(options, speed=(_SPEED_MIN, _SPEED_MAX))
    return settings


def _announce(options: argparse.Namespace, text: str, level: int = logging.INFO) -> None:
    if options.tell is None:
        _say(text)
    else:
        options.tell(level, text)


def dead_letters(options: argparse.Namespace) -> int:
    """``matchday dead-letters``."""
    settings = load_settings(options.config)
    failed: list[BaseException] = []
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        clock = WallClock(loop)
        with open_log(settings, options.data, clock, loop.call_soon_threadsafe, failed.append) as log:
            found = letters(log)
            if options.letters_command == "retry":
                chosen = _chosen(found, options.letters, every=options.all)
                runner.run(_retry(log, clock, chosen))
                _say(f"{len(chosen)} said again")
                return 0
    shown = found if options.all else [letter for letter in found if not letter.retried]
    if options.json:
        write_json({"letters": shown})
    else:
        _print_letters(shown)
    return 0


def _chosen(found: Sequence[Letter], numbers: Sequence[int], *, every: bool) -> list[Letter]:
    if every:
        return [letter for letter in found if not letter.retried]
    by_number = {letter.letter: letter for letter in found}
    if unknown := [number for number in numbers if number not in by_number]:
        raise StartError(f"no letter {unknown[0]}; `matchday dead-letters list --all` names those there are")
    return [by_number[number] for number in dict.fromkeys(numbers)]


async def _retry(log: Log, clock: Clock, chosen: Sequence[Letter]) -> None:
    if not chosen:
        return
    done: asyncio.Future[LogUnavailable | None] = asyncio.get_running_loop().create_future()
    retry(log, clock, chosen, done.set_result)
    if (failure := await done) is not None:
        raise StartError(f"the log did not take them: {failure}; try again")


def _print_letters(shown: Sequence[Letter]) -> None:
    table = Table("letter", "at", "record", "key", "rooms", "reason")
    for one in shown:
        at = datetime.fromtimestamp(one.at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        record = f"{one.topic} {one.partition}/{one.offset}"
        reason = f"{one.reason} (retried)" if one.retried else one.reason
        table.add_row(str(one.letter), at, record, one.key, ", ".join(one.rooms), reason)
    Console().print(table if shown else "no dead letters")


def cluster(options: argparse.Namespace) -> int:
    """``matchday cluster``."""
    if options.cluster_command == "init":
        return init(options)
    if options.cluster_command == "adopt":
        sys.stdout.write(f"the ledger goes with log {adopt(load_settings(options.config))} from now on\n")
        return 0

    def secret() -> bytes:
        with asyncio.Runner() as runner:
            return WallClock(runner.get_loop()).entropy(SECRET_BYTES)

    return Local(secret, _init)(options)


def _init(config: Path) -> None:
    """Make the topics that settings ask for."""
    settings = load_settings(config)
    if settings.log.kind == "kafka":
        wrong = [f"{topic.name}: {what}" for topic in make_topics(settings.kafka) for what in topic.differences]
        if wrong:
            raise StartError("topics are not as they must be:\n" + "\n".join(wrong))


def _at(
    settings: Settings, *, host: str | None = None, port: int | None = None, ops_port: int | None = None
) -> Settings:
    """Settings with what the words say of addresses."""
    replace, doors, ops = msgspec.structs.replace, settings.doors, settings.ops
    doors = replace(doors, host=doors.host if host is None else host, port=doors.port if port is None else port)
    return replace(settings, doors=doors, ops=replace(ops, port=ops.port if ops_port is None else ops_port))


def _adapter(options: argparse.Namespace) -> Callable[[Clock], Adapter]:
    if options.feed == ["simulated"]:
        for name in ("meta", "prices"):
            if getattr(options, name) is not None:
                raise WordsError(f"--{name} is of recorded matches, and none are shown; name them with --feed PATH")
        return lambda _: SimulatedLeague(options.seed, options.speed)
    matches = _matches(options, [Path(path) for path in options.feed]).matches
    strengths, _ = _strengths(options.prices, matches)

    def shown(clock: Clock) -> Adapter:
        now = clock.now_ms()
        return WyscoutFeed(matches, strengths, speed=options.speed, start_ms=now, showing=str(now // 1000))

    return shown


def replay(options: argparse.Namespace) -> int:
    """``matchday replay``."""
    if options.journal is not None:
        tried("--journal", options.journal)
    loaded = _matches(options, options.paths)
    strengths, table = _strengths(options.prices, loaded.matches)
    with ExitStack() as stack:
        journal = None
        if options.journal is not None:
            journal = stack.enter_context(options.journal.open("w", encoding="utf-8"))
        run = Replay(loaded.matches, strengths, bettors=options.bettors, seed=options.seed, journal=journal)
        report = _with_progress(run)
    report.files_rejected = [f"{p.file}: {p.place}: {p.reason}" for p in loaded.problems]
    report.assumed = sorted({text for match in loaded.matches for text in match.assumed})
    if table is not None:
        report.prices_unmatched = [f"{m.home} - {m.away}" for m in loaded.matches if strengths(m).source == "prior"]
        report.prices_rows_unused = len(table.unmatched_rows())
    if options.json:
        write_json(report)
    else:
        _print(report)
    sound = report.money_conserved and not report.bets_open and not report.scores_wrong
    return 0 if sound else 1


def settle_bench(options: argparse.Namespace) -> int:
    """``matchday settle-bench``."""
    within(options, bets=(1, 10**8), accounts=(1, 10**7), rate=(0.1, 10_000), idle=(1, 3_600))
    with ExitStack() as stack:
        if options.data is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="matchday-settle-bench-", dir=ON_DISK)))
        else:
            folder = _new_folder(options.data)
        progress, _ = stack.enter_context(steps())
        outcome = run_settle_bench(
            folder, bets=options.bets, accounts=options.accounts, rate=options.rate, idle_s=options.idle,
            rooms=not options.core, seed=options.seed, progress=progress,
        )  # fmt: skip
    if options.json:
        write_json(outcome)
    else:
        _print_outcome(outcome)
    return 0 if outcome.sound else 1


def _new_folder(folder: Path) -> Path:
    """A folder of its own for a run: never one that holds a ledger."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WordsError(f"--data {folder}: {error.strerror}; choose another folder") from error
    if any(folder.iterdir()):
        raise WordsError(f"--data {folder} is not empty; choose another folder")
    return folder


def _print_outcome(outcome: Outcome) -> None:
    table = Table(title="Settlement of one match", show_header=False, title_justify="left")
    for name, value in msgspec.structs.asdict(outcome).items():
        if isinstance(value, Latency):
            value = f"{value.bets:,} bets, p50 {value.p50_ms} ms, p99 {value.p99_ms} ms, at most {value.max_ms} ms"
        elif isinstance(value, int) and not isinstance(value, bool):
            value = f"{value:,}"
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)


def calc(options: argparse.Namespace) -> int:
    """``matchday calc``."""
    answers = calculate_document(_read(options.file))
    write_json(answers)
    each = answers if isinstance(answers, list) else [answers]
    return 1 if any(isinstance(answer, Refused) for answer in each) else 0


def token(options: argparse.Namespace) -> int:
    """``matchday token``."""
    if not _NAME.fullmatch(options.name):
        raise WordsError(f"--name {options.name!r} is no name; use 1 to 64 letters, digits and . _ @ -")
    settings = load_settings(options.config)
    sys.stdout.write(sign_token(options.data, settings, options.name, Role(options.role)) + "\n")
    _say(f"a {options.role}'s token for {options.name}, good for {settings.doors.token_s_max} s; keep it to yourself")
    return 0


def _read(file: str) -> bytes:
    """A file, or standard input for ``-``, and not much more of it than will be calculated."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(DOCUMENT_BYTES_MAX + 1)
        with Path(file).open("rb") as opened:
            return opened.read(DOCUMENT_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StartError(f"slips {file}: {reason}; name a file of slips, or - for standard input") from error


def _matches(options: argparse.Namespace, paths: Sequence[Path]) -> Loaded:
    loaded = load_matches(paths, options.meta)
    for problem in loaded.problems:
        _announce(options, f"left out {problem.file}: {problem.place}: {problem.reason}", logging.WARNING)
    if not loaded.matches:
        raise StartError(f"no matches in {', '.join(map(str, paths))}; name Wyscout match files or a folder of them")
    return loaded


def _strengths(prices: Path | None, matches: Sequence[Match]) -> tuple[Callable[[Match], Strengths], PriceTable | None]:
    """Strengths of a match: from its prices where there are any, else the one prior for all."""
    if prices is None:
        return lambda _: PRIOR, None
    table = PriceTable.read(prices)
    found = {match.fixture: table.match(match.home, match.away, match.kickoff_ms) or PRIOR for match in matches}
    return lambda match: found[match.fixture], table


def _with_progress(run: Replay) -> Report:
    console = Console(stderr=True)
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TextColumn("matches"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("matches", total=None)
        return run.run(lambda done, total: bar.update(task, completed=done, total=total))


def _print(report: Report) -> None:
    table = Table(title="Replay", show_header=False, title_justify="left")
    for name, value in msgspec.structs.asdict(report).items():
        if name == "staked":
            text = ", ".join(f"{format_amount(amount, currency)} {currency}" for currency, amount in value.items())
        elif isinstance(value, dict):
            text = "\n".join(f"{key}: {count}" for key, count in value.items())
        elif isinstance(value, list):
            text = "\n".join(value[:20]) + (f"\n… and {len(value) - 20} more" if len(value) > 20 else "")
        else:
            text = str(value)
        if text:
            table.add_row(name.replace("_", " "), text)
    Console().print(table)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
