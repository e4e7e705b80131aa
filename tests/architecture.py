"""The invariants that can be seen in the source itself. Each check is handed the root of a working copy and returns
what breaks the invariant, with its place: ``test_invariants`` runs them on ours, ``test_architecture_attack`` on copies
that were broken on purpose."""

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
Check = Callable[[Path], list[str]]

PURE = {
    "bisect", "collections", "dataclasses", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "math",
    "msgspec", "numpy", "operator", "re", "typing",
}  # fmt: skip
"""What the model and the pricing may import besides each other: nothing here can reach the world."""
WORLDLY = {
    "asyncio", "concurrent", "multiprocessing", "os", "selectors", "signal", "socket", "sqlite3", "starlette",
    "subprocess", "threading", "uvicorn", "websockets",
}  # fmt: skip
"""What a room, a synchronous state machine, has no use for."""
REACHING = {"__import__", "exec", "input", "open", "print"}
"""What reaches the world without an import."""
AMBIENT = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "localtime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "random": {
        "random", "randint", "randrange", "choice", "choices", "sample", "shuffle", "uniform", "gauss", "seed",
        "getrandbits", "randbytes", "SystemRandom",
    },
    "uuid": {"uuid1", "uuid4", "uuid6", "uuid7"},
    "secrets": {"token_bytes", "token_hex", "token_urlsafe", "randbelow", "randbits", "choice"},
    "os": {"urandom", "getrandom"},
}  # fmt: skip
"""Where time, chance and ids come from when nobody hands them in."""
AMBIENT_NAMES = frozenset().union(*AMBIENT.values())
AMBIENT_SQL = re.compile(r"CURRENT_TIME|strftime\(|unixepoch\(|'now'|\brandom\(\)|randomblob\(", re.IGNORECASE)
CLOCKS = {"backends/clock_wall.py"}
"""Where ambient time, chance and ids may stand."""
STOPWATCHES = {
    "bench/stopwatch.py", "ops/cluster_roll.py", "sim/lockstep.py", "sim/replay.py", "sim/restore_drill.py",
    "sim/run.py", "sim/settle_bench.py", "sim/through.py",
}  # fmt: skip
"""Where it is measured how long a run took, which changes nothing in it; or, of a cluster, how long to wait for it."""
MONEY = (
    "model/money.py", "model/price.py", "model/bet.py", "model/lines.py", "model/ledger.py",
    "model/posting/__init__.py", "model/posting/rows.py", "model/posting/accounts.py", "model/posting/placing.py",
    "model/posting/settling.py", "model/acceptance.py", "model/cash_out.py", "services/bets/judge.py",
    "services/bets/room.py", "services/cash_out/value.py", "services/cash_out/room.py", "services/cash_out/watch.py",
    "model/market.py", "calc.py",
)  # fmt: skip
"""No float at all."""
AMOUNTS = {
    "amount", "balance", "cap", "grant", "liability", "price", "prices", "profit", "returns", "stake", "stake_max",
    "stake_min", "stake_per_day",
}  # fmt: skip
"""Names of what is money or a price, wherever it stands."""
ESTIMATES = ("pricing/", "feeds/", "sim/")
"""Where probabilities are at home; what leaves it as a price is rounded to thousandths."""
POSTS = re.compile(r"model/posting/\w+\.py|backends/ledger_\w+\.py")
"""Where entries are made, and read from where they are stored."""
REWRITES = re.compile(r"\b(UPDATE|DELETE\s+FROM|REPLACE\s+INTO)\s+(entries|postings)\b", re.IGNORECASE)
SYNCHRONOUS = re.compile(r"PRAGMA\s+synchronous\s*=\s*(\w+)", re.IGNORECASE)
HANDED_ON = {
    "backends/cache_driver.py",
    "backends/syncer.py",
    "backends/writer.py",
    "backends/writers.py",
    "ops/scaler/foresight.py",
    "sim/run.py",
    "services/bets/room.py",
    "services/cash_out/value.py",
}
"""Where any exception is caught because it is handed on: to what stops the process, as a broken invariant, or to the
log and the one fan whose bet it was, so that one market's fault does not hold up the others. A cache is away, whatever
its client says: nothing depends on it. A forecaster that breaks is a doubt, in which the autoscaler lets nothing go."""
BOUNDED = {
    "backends/log_kafka_tails.py": "by the tails that begin and end",
    "backends/writer.py": "by what rooms have in flight: each waits for its answer",
    "backends/writers.py": "by what rooms have in flight: each waits for its answer",
    "edge/placing.py": "by what waits in the bets room: Bets.queue_max and waiting_max",
    "services/bets/queue.py": "Bets.queue_max and each market's share: beyond it the answer is busy",
    "services/cash_out/room.py": "Bets.queue_max: beyond it the answer is busy",
    "ops/forecast/fleet.py": "by boot and stay: at most one order a minute",
    "services/push/channel.py": "Push.history_frames_max and history_ms",
    "services/settlement.py": "not yet: by what the log brings while the ledger is away",
}
"""Queues that are bounded by whoever fills them, and by what."""
TRANSACTIONAL = {"begin", "transaction", "rollback", "exactly_once", "lock"}
"""Verbs that a port of the weaker world cannot have."""
NOT_FOR_OPS = ("matchday.services", "matchday.model.ledger", "matchday.model.posting", "matchday.model.messages",
               "matchday.backends.ledger_", "matchday.backends.log_")  # fmt: skip
"""What writes messages of rooms, or entries."""
LOGGED = {"critical", "error", "exception", "info", "warning"}
PERSONAL = {"account", "address", "client", "player", "secret", "ticket", "token", "trader"}
"""Names of what stands for a person, or lets somebody in."""


def package(root: Path) -> Path:
    return root / "src" / "matchday"


def trees(root: Path, *folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Path in the package and syntax tree of every file, or of those in some folders."""
    for path in sorted(package(root).rglob("*.py")):
        name = path.relative_to(package(root)).as_posix()
        if not folders or name.startswith(folders):
            yield name, parsed(path.read_text())


@lru_cache(maxsize=512)
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


@lru_cache(maxsize=512)
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All of a file's, walked once: of a copy that was broken on purpose all files but one are as they were."""
    return tuple(ast.walk(tree))


def imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every module that is imported, ``from x import y`` as ``x.y``, and where."""
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def classes(root: Path, name: str) -> list[ast.ClassDef]:
    tree = parsed((package(root) / name).read_text())
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def called(node: ast.AST) -> str:
    """The last name of what is called; empty where the node is no call of a name."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


# --- 1 and 2: who may import whom -------------------------------------------------------------------------------------


def broken_contracts(root: Path) -> list[str]:
    """The contracts of ``.importlinter`` that do not hold. The copy's folder is first on its path."""
    call = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", call, "--no-cache", "--config", str(root / ".importlinter")],
        cwd=root / "src", capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    broken = re.findall(r"^(.+) BROKEN(?: \(\d+ ignored imports\))?$", done.stdout, re.MULTILINE)
    assert done.returncode == 0 or broken, done.stdout + done.stderr
    return broken


def impure(root: Path) -> list[str]:
    """Imports of the model and the pricing beyond each other and what cannot reach the world, and what they open."""
    found = []
    for name, tree in trees(root, "model/", "pricing/"):
        for module, line in imported(tree):
            top = module.split(".")[0]
            if top not in PURE and not module.startswith(("matchday.model.", "matchday.pricing.")):
                found.append(f"{name}:{line} imports {module}")
        calls = [node for node in nodes(tree) if isinstance(node, ast.Call) and called(node) in REACHING]
        found += [f"{name}:{node.lineno} {called(node)}()" for node in calls]
    return found


def unlisted_rooms(root: Path) -> list[str]:
    """Rooms that the contract about rooms does not name."""
    contracts = configparser.ConfigParser()
    contracts.read(root / ".importlinter")
    listed = set(contracts["importlinter:contract:rooms"]["modules"].split())
    paths = (package(root) / "services").iterdir()
    rooms = {f"matchday.services.{path.stem}" for path in paths if not path.stem.startswith("__")}
    return sorted(rooms - listed)


def worldly_rooms(root: Path) -> list[str]:
    """Rooms that know an event loop, a thread or a server: under a virtual clock they would not be themselves."""
    return [
        f"{name}:{line} imports {module}" for name, tree in trees(root, "services/") for module, line in imported(tree)
        if module.split(".")[0] in WORLDLY
    ]  # fmt: skip


# --- 3: only Clock knows ----------------------------------------------------------------------------------------------


def ambient(root: Path) -> list[str]:
    """Ambient time, chance and ids, in calls or handed on, however they were imported, and in SQL."""
    return [
        f"{name}:{what}" for name, tree in trees(root) for what in (*_ambient(tree), *_sql(tree))
        if name not in CLOCKS and not (name in STOPWATCHES and what.endswith("perf_counter"))
    ]  # fmt: skip


def _ambient(tree: ast.Module) -> Iterator[str]:
    full: dict[str, str] = {}
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            full.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            full.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in nodes(tree):
        if isinstance(node, ast.Attribute) and node.attr in AMBIENT_NAMES:
            owner = ast.unparse(node.value)
            module = full.get(owner, owner).rpartition(".")[2]
            if node.attr in AMBIENT.get(module, ()) and (owner.split(".")[0] in full):
                yield f"{node.lineno} {module}.{node.attr}"
        elif isinstance(node, ast.Name):
            module, _, what = full.get(node.id, "").rpartition(".")
            if what in AMBIENT.get(module, ()):
                yield f"{node.lineno} {module}.{what}"
        elif called(node) in ("Random", "default_rng") and isinstance(node, ast.Call) and not node.args:
            yield f"{node.lineno} {called(node)} without a seed"


def _sql(tree: ast.Module) -> Iterator[str]:
    said = {id(node.value) for node in nodes(tree) if isinstance(node, ast.Expr)}  # docstrings
    for node in nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield from (f"{node.lineno} {match[0]} in SQL" for match in AMBIENT_SQL.finditer(node.value))


# --- 4 and 5: money ---------------------------------------------------------------------------------------------------


def floats(root: Path) -> list[str]:
    """Floats in the files of money and price, and amounts and prices that are floats anywhere else."""
    found = []
    for name, tree in trees(root):
        seen = _floats(tree) if name in MONEY else () if name.startswith(ESTIMATES) else _float_amounts(tree)
        found += [f"{name}:{what}" for what in seen]
    return found


def _floats(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"{node.lineno} {node.value}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{node.lineno} /"
        elif isinstance(node, ast.Name) and node.id == "float":
            yield f"{node.lineno} float"


def _float_amounts(tree: ast.Module) -> Iterator[str]:
    for node in nodes(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            named, value = (node.arg, None) if isinstance(node, ast.arg) else (_name(node.target), node.value)
            if named in AMOUNTS and (any(_floats(node.annotation)) or (value is not None and any(_floats(value)))):
                yield f"{node.lineno} {named} is a float"
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            whole = node if isinstance(node, ast.AugAssign) else node.value
            if {_name(target) for target in targets} & AMOUNTS and any(_floats(whole)):
                yield f"{node.lineno} a float becomes {ast.unparse(targets[0])}"
        elif isinstance(node, ast.BinOp | ast.Call):
            divided = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            parts = node.args if isinstance(node, ast.Call) else [node.left, node.right]
            if (divided or called(node) == "float") and {_name(part) for part in parts} & AMOUNTS:
                yield f"{node.lineno} {ast.unparse(node)}"


def _name(node: ast.AST) -> str:
    """The last part of a name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def foreign_entries(root: Path) -> list[str]:
    """Entries and postings that are made elsewhere than by the ledger's rules, or changed once they stand."""
    found = []
    for name, tree in trees(root):
        for node in nodes(tree):
            if called(node) in ("Entry", "Posting") and not POSTS.fullmatch(name):
                found.append(f"{name}:{getattr(node, 'lineno', 0)} makes {called(node)}")
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and (match := REWRITES.search(node.value))
            ):
                found.append(f"{name}:{node.lineno} {match[0]}")
    return found


# --- 6: commands ------------------------------------------------------------------------------------------------------


def commands_without_id(root: Path) -> list[str]:
    """Commands of the ledger whose ``id`` is missing, optional or no text: a caller could leave it to chance."""
    tree = parsed((package(root) / "model" / "ledger.py").read_text())
    union = next(node.value for node in tree.body
                 if isinstance(node, ast.Assign) and _name(node.targets[0]) == "Command")  # fmt: skip
    commands = {node.id for node in ast.walk(union) if isinstance(node, ast.Name)}
    found = []
    for command in classes(root, "model/ledger.py"):
        tagged = any(keyword.arg == "tag" for keyword in command.keywords)
        fields = {_name(field.target): field for field in command.body if isinstance(field, ast.AnnAssign)}
        id_ = fields.get("id")
        if tagged and command.name not in commands:
            found.append(f"{command.name} is no Command")
        if command.name in commands and (id_ is None or id_.value is not None or ast.unparse(id_.annotation) != "str"):
            found.append(f"{command.name} has no id that its caller must make")
    return found


# --- 7: durable before answered ---------------------------------------------------------------------------------------


def lazy_commits(root: Path) -> list[str]:
    """Stores that answer before the disk has it: any synchronous but FULL, or none said at all. A commit that does not
    wait is one whose writer is handed the wait (``leave_syncs``, ``Writer``)."""
    said, found = 0, list[str]()
    for name, tree in trees(root, "backends/"):
        functions = [node for node in nodes(tree) if isinstance(node, ast.FunctionDef)]
        left = [node for node in functions if node.name == "leave_syncs"]
        within = {inner for node in left for inner in ast.walk(node)}
        for node in nodes(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said += len(ways := SYNCHRONOUS.findall(node.value))
                allowed = "NORMAL" if node in within else "FULL"
                found += [f"{name} synchronous={how}" for how in ways if how.upper() != allowed]
        if left and not any(_calls(node, "fdatasync") for node in functions if node.name == "sync"):
            found.append(f"{name} sync waits for nothing")
        if not left and _calls(tree, "leave_syncs") and not _hands_the_wait(tree):
            found.append(f"{name} nobody waits for the disk")
    return found + ([] if said else ["nowhere"])


def _hands_the_wait(tree: ast.Module) -> bool:
    writers = [node for node in nodes(tree) if isinstance(node, ast.Call) and called(node) == "Writer"]
    return any(isinstance(given, ast.Attribute) and given.attr == "sync" for node in writers for given in node.args)


def _calls(tree: ast.AST, function: str) -> bool:
    return any(isinstance(node, ast.Call) and called(node) == function for node in ast.walk(tree))


# --- 9: named, and nothing swallowed ----------------------------------------------------------------------------------


def unnamed_refusals(root: Path) -> list[str]:
    """Problems and refusals whose reason is in no table, and refusals that are mere texts."""
    problems = parsed((package(root) / "edge" / "problems.py").read_text())
    table = next(node.value for node in nodes(problems)
                 if isinstance(node, ast.AnnAssign) and _name(node.target) == "REASONS")  # fmt: skip
    assert isinstance(table, ast.Dict)
    known = {key.value for key in table.keys if isinstance(key, ast.Constant)}
    found = []
    for name, tree in trees(root, "edge/", "services/", "model/"):
        for node in (node for node in nodes(tree) if isinstance(node, ast.Call)):
            reason = node.args[0] if called(node) == "Problem" and node.args else None
            if isinstance(reason, ast.Constant) and reason.value not in known:
                found.append(f"{name}:{node.lineno} {reason.value!r} is no reason")
            given = [keyword.value for keyword in node.keywords if keyword.arg == "refusal"]
            if any(isinstance(value, ast.Constant) and isinstance(value.value, str) for value in given):
                found.append(f"{name}:{node.lineno} a refusal that is a text")
    return found


def swallowed(root: Path) -> list[str]:
    """Handlers of everything that do not raise again."""
    found = []
    for name, tree in trees(root):
        if name in HANDED_ON:
            continue
        for node in nodes(tree):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else "everything"
                raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                if re.search(r"\b(everything|(Base)?Exception)\b", caught) and not raises:
                    found.append(f"{name}:{node.lineno} swallows {caught}")
            elif called(node) == "suppress" and re.search(r"\b(Base)?Exception\b", ast.unparse(node)):
                found.append(f"{name}:{getattr(node, 'lineno', 0)} {ast.unparse(node)}")
    return found


# --- 10: everything has a limit ---------------------------------------------------------------------------------------


def limitless_settings(root: Path) -> list[str]:
    """Settings without a default, a range, or the docstring that says unit and consequence."""
    found = []
    for section in classes(root, "config.py"):
        if section.name in ("Settings", "SettingsError"):
            continue
        for field, after in zip(section.body, [*section.body[1:], None], strict=True):
            if not isinstance(field, ast.AnnAssign):
                continue
            where = f"{section.name}.{ast.unparse(field.target)}"
            if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)):
                found.append(f"{where} has no docstring")
            if field.value is None:
                found.append(f"{where} has no default")
            if ast.unparse(field.annotation) in ("int", "float", "int | None", "float | None"):
                found.append(f"{where} has no range")
    return found


def unbounded_queues(root: Path) -> list[str]:
    """Queues and caches that grow without end and are not named in ``BOUNDED``."""
    found = []
    for name, tree in trees(root):
        if name.startswith("sim/") or name in BOUNDED:
            continue
        for node in (node for node in nodes(tree) if isinstance(node, ast.Call | ast.FunctionDef)):
            what = called(node)
            limits = {keyword.arg: ast.unparse(keyword.value) for keyword in getattr(node, "keywords", ())}
            arguments = len(node.args) if isinstance(node, ast.Call) else 0
            endless = {
                "deque": "maxlen" not in limits and arguments < 2,
                "Queue": limits.get("maxsize", "0") == "0" and arguments < 1,
                "LifoQueue": limits.get("maxsize", "0") == "0" and arguments < 1,
                "SimpleQueue": True,
                "lru_cache": limits.get("maxsize") == "None",
            }
            if endless.get(what) or any(
                ast.unparse(decorator) in ("cache", "functools.cache")
                for decorator in getattr(node, "decorator_list", ())
            ):
                found.append(f"{name}:{node.lineno} {what or 'cache'} without a limit")
    return found


# --- 11: the weaker world ---------------------------------------------------------------------------------------------


def stronger_ports(root: Path) -> list[str]:
    """Verbs of ports that promise a transaction, ports without a contract suite, and backends that run none."""
    found, suites = [], root / "tests" / "contract"
    tested = "".join(file.read_text() for file in suites.glob("*.py"))
    for port in classes(root, "ports.py"):
        verbs = [node.name for node in port.body if isinstance(node, ast.FunctionDef)]
        found += [f"{port.name}.{verb}" for verb in verbs if verb in TRANSACTIONAL]
        is_port = any(_name(base) == "Protocol" for base in port.bases) and port.name != "Timer"
        if is_port and not (suites / f"test_{port.name.lower()}.py").exists():
            found.append(f"{port.name} has no contract suite")
    backends = sorted((package(root) / "backends").glob("*_*.py"))
    for path in backends:
        name = f"matchday.backends.{path.stem} "
        part_of_another = any(name in other.read_text() for other in path.parent.glob("*.py"))
        if not (path.stem.startswith("__") or part_of_another or name in tested):
            found.append(f"backends/{path.name} runs no contract suite")
    return found


# --- 12: ops ----------------------------------------------------------------------------------------------------------


def ops_that_write(root: Path) -> list[str]:
    """What ``ops/`` imports of rooms, messages and entries: it may start, stop and break, and write none of theirs."""
    return [
        f"{name}:{line} imports {module}" for name, tree in trees(root, "ops/") for module, line in imported(tree)
        if module.startswith(NOT_FOR_OPS) or module in ("matchday.ports.Log", "matchday.ports.Ledger")
    ]  # fmt: skip


# --- logs -------------------------------------------------------------------------------------------------------------


def personal_lines(root: Path) -> list[str]:
    """Lines that are logged with something of a person: who it is, whence he comes, or what signs him in."""
    found = []
    for name, tree in trees(root):
        for node in (node for node in nodes(tree) if isinstance(node, ast.Call)):
            if (
                called(node) not in LOGGED
                or not isinstance(node.func, ast.Attribute)
                or _name(node.func.value) != "_log"
            ):
                continue
            parts = [inner for part in (*node.args, *(k.value for k in node.keywords)) for inner in ast.walk(part)]
            said = {_name(part) for part in parts}
            said |= {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
            found += [f"{name}:{node.lineno} logs {what}" for what in sorted(said & PERSONAL)]
    return found


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        broken_contracts, impure, unlisted_rooms, worldly_rooms, ambient, floats, foreign_entries, commands_without_id,
        lazy_commits, unnamed_refusals, swallowed, limitless_settings, unbounded_queues, stronger_ports, ops_that_write,
        personal_lines,
    )
}  # fmt: skip
