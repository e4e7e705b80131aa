"""Architecture under attack: each invariant of the design is broken on a copy of the source, and the very check that
guards it must see it; on an untouched copy every check is content. By the invariants' numbers:

1 the model and the pricing are pure; 2 rooms know neither rooms nor backends; 3 only Clock knows time, ids and chance;
4 no float touches money or price; 6 commands carry an id; 9 refusals are named, nothing is swallowed; 10 everything has
a limit; 11 ports promise the weaker world; 12 ops writes nothing: attacked here.

5 the sums: ``contract/test_ledger.py::test_money_is_conserved_whatever_happens_and_whatever_is_said_twice``; that
entries are made in one place and never rewritten: attacked here.
6 the same id has the same answer: ``contract/test_ledger.py::test_an_id_stands_for_its_payload``.
7 durable before answered: ``e2e/test_durability.py``, by SIGKILL under load; a store that answers early: attacked here.
8 only an open market at a current price: ``check_journal.py`` over replayed matches, itself attacked by
``unit/test_check_journal.py::test_a_corruption_is_found``.
11 everything twice on every backend: ``tests/contract``; that no port and no backend escapes its suite: attacked here.
"""

import shutil
from pathlib import Path

import pytest

from tests.architecture import CHECKS, ROOT, package

LAYERS = "Commands over the composition over rooms over ports over the model"
ROOMS = "Rooms do not import rooms"
BACKENDS = "Only the composition and the simulation know backends"
PURITY = "The model, pricing and calc do no I/O"
OTHER_ROOM = "from matchday.services.settlement import SettlementByAccount\n"
ANY_ROOM = "services/relay.py"

ADDED: list[tuple[str, str, str, str]] = [
    # check                the file it is added to         what is added                            what the check names
    ("broken_contracts", "model/book.py", "from matchday.services.bets import Bets\n", LAYERS),
    ("broken_contracts", "pricing/overround.py", "import socket\n", PURITY),
    ("broken_contracts", "pricing/overround.py", "from matchday.config import Odds\n", LAYERS),
    ("broken_contracts", ANY_ROOM, OTHER_ROOM, ROOMS),
    ("broken_contracts", ANY_ROOM, f"def late() -> None:\n    {OTHER_ROOM}", ROOMS),
    ("broken_contracts", ANY_ROOM, "from matchday.backends.ledger_sqlite import SqliteLedger\n", BACKENDS),
    ("broken_contracts", "edge/limits.py", "from matchday.backends.clock_wall import WallClock\n", BACKENDS),
    ("broken_contracts", "ports.py", "from matchday.services.odds import Odds\n", LAYERS),
    ("impure", "model/money.py", "import subprocess\n", "imports subprocess"),
    ("impure", "model/money.py", "from matchday.config import Settings\n", "imports matchday.config.Settings"),
    ("impure", "pricing/football.py", "RATES = open('rates.csv').read()\n", "open()"),
    ("unlisted_rooms", "services/payments.py", OTHER_ROOM, "matchday.services.payments"),
    ("personal_lines", ANY_ROOM, "_log.warning('refused %s', command.account)\n", "logs account"),
    ("personal_lines", ANY_ROOM, "_log.info('in', extra={'trader': name})\n", "logs trader"),
    ("worldly_rooms", ANY_ROOM, "import asyncio\n", "imports asyncio"),
    ("worldly_rooms", "services/push/room.py", "from threading import Thread\n", "imports threading.Thread"),
    ("ambient", ANY_ROOM, "import time\nNOW = time.time()\n", "time.time"),
    ("ambient", ANY_ROOM, "import time as t\nNOW = t.time_ns()\n", "time.time_ns"),
    ("ambient", ANY_ROOM, "from time import monotonic as now\nNOW = now()\n", "time.monotonic"),
    ("ambient", ANY_ROOM, "import time\ndef since(now=time.time):\n    return now()\n", "time.time"),
    ("ambient", ANY_ROOM, "import datetime\nNOW = datetime.datetime.now()\n", "datetime.now"),
    ("ambient", ANY_ROOM, "from datetime import datetime as d\nNOW = d.now()\n", "datetime.now"),
    ("ambient", ANY_ROOM, "from datetime import date\nTODAY = date.today()\n", "date.today"),
    ("ambient", ANY_ROOM, "import random\nDICE = random.random()\n", "random.random"),
    ("ambient", ANY_ROOM, "import random\nDICE = random.Random()\n", "Random without a seed"),
    ("ambient", "pricing/football.py", "DICE = np.random.default_rng()\n", "default_rng without a seed"),
    ("ambient", ANY_ROOM, "import uuid\nID = uuid.uuid4()\n", "uuid.uuid4"),
    ("ambient", ANY_ROOM, "import os\nID = os.urandom(8)\n", "os.urandom"),
    ("ambient", ANY_ROOM, "import secrets\nID = secrets.token_hex()\n", "secrets.token_hex"),
    ("ambient", "sim/replay.py", "import time\nNOW = time.time()\n", "time.time"),
    ("ambient", "backends/log_sqlite.py", "SQL = 'INSERT INTO log VALUES (CURRENT_TIMESTAMP)'\n", "in SQL"),
    ("floats", "model/money.py", "HALF = 0.5\n", "0.5"),
    ("floats", "model/price.py", "def mean(a: int, b: int) -> int:\n    return round((a + b) / 2)\n", "/"),
    ("floats", "model/bet.py", "def share(stake: float) -> int:\n    return int(stake)\n", "float"),
    ("floats", ANY_ROOM, "def half(stake: float) -> None:\n    pass\n", "stake is a float"),
    ("floats", ANY_ROOM, "price: float | None = None\n", "price is a float"),
    ("floats", ANY_ROOM, "amount = 10 * 1.5\n", "a float becomes amount"),
    ("floats", "edge/http.py", "def shown(bet):\n    return bet.stake / 100\n", "bet.stake / 100"),
    ("floats", "backends/ledger_sqlite.py", "def read(row):\n    return float(row.balance)\n", "float(row.balance)"),
    ("foreign_entries", ANY_ROOM, "ENTRY = Entry(1, 0, 'gift', 'EUR', ())\n", "makes Entry"),
    (
        "foreign_entries",
        "sim/fans.py",
        "from matchday.model import ledger\nledger.Posting('a', 1)\n",
        "makes Posting",
    ),
    ("foreign_entries", "backends/ledger_sqlite.py", "SQL = 'UPDATE postings SET amount=0'\n", "UPDATE postings"),
    ("foreign_entries", "backends/ledger_sqlite.py", "SQL = 'DELETE FROM entries WHERE 1'\n", "DELETE FROM entries"),
    ("commands_without_id", "model/ledger.py", "class Gift(msgspec.Struct, tag='gift'):\n    id: str\n", "Gift"),
    ("unnamed_refusals", "edge/parse.py", "def no() -> None:\n    raise Problem('too_bad')\n", "'too_bad'"),
    ("unnamed_refusals", ANY_ROOM, "def no(c):\n    return replace(c, refusal='not today')\n", "a text"),
    ("swallowed", ANY_ROOM, "try:\n    pass\nexcept Exception:\n    pass\n", "swallows Exception"),
    ("swallowed", ANY_ROOM, "try:\n    pass\nexcept:\n    LOST = True\n", "swallows everything"),
    ("swallowed", ANY_ROOM, "try:\n    pass\nexcept (ValueError, BaseException) as e:\n    print(e)\n", "swallows"),
    ("swallowed", "app/process.py", "with contextlib.suppress(Exception):\n    pass\n", "suppress"),
    ("limitless_settings", "config.py", "class Home(Struct):\n    taps_max: Limit\n    'Taps.'\n", "no default"),
    ("limitless_settings", "config.py", "class Home(Struct):\n    taps_max: int = 9\n    'Taps.'\n", "no range"),
    ("limitless_settings", "config.py", "class Home(Struct):\n    taps_max: Limit = 9\n", "no docstring"),
    ("unbounded_queues", "services/odds/room.py", "from collections import deque\nwaiting = deque()\n", "deque"),
    ("unbounded_queues", "edge/http.py", "WAITING = asyncio.Queue()\n", "Queue"),
    ("unbounded_queues", "edge/http.py", "WAITING = asyncio.Queue(maxsize=0)\n", "Queue"),
    ("unbounded_queues", "voice.py", "import queue\nWAITING = queue.SimpleQueue()\n", "SimpleQueue"),
    ("unbounded_queues", "model/market.py", "@lru_cache(maxsize=None)\ndef f(): ...\n", "lru_cache"),
    ("unbounded_queues", "model/market.py", "@functools.cache\ndef f(): ...\n", "cache"),
    ("stronger_ports", "ports.py", "class Both(Protocol):\n    def transaction(self) -> None: ...\n", "transaction"),
    ("stronger_ports", "ports.py", "class Wallet(Protocol):\n    def get(self) -> None: ...\n", "no contract suite"),
    ("stronger_ports", "backends/ledger_cloud.py", "class CloudLedger: ...\n", "runs no contract suite"),
    ("ops_that_write", "ops/autoscaler.py", "from matchday.model.ledger import Entry\n", "model.ledger.Entry"),
    ("ops_that_write", "ops/drill.py", "from matchday.model.messages import encode\n", "model.messages.encode"),
    ("ops_that_write", "ops/drill.py", "from matchday.ports import Clock, Ledger\n", "ports.Ledger"),
    ("ops_that_write", "ops/drill.py", "from matchday.backends import ledger_sqlite\n", "backends.ledger_sqlite"),
]

REPLACED: list[tuple[str, str, str, str, str]] = [
    # check                  the file              what stands there         what it becomes           what is named
    ("commands_without_id", "model/ledger.py", "    id: str\n    account: str\n    amount: int",
     "    account: str\n    amount: int", "Transfer"),
    ("commands_without_id", "model/ledger.py", "    id: str\n    account: str\n    amount: int | None\n",
     "    account: str\n    amount: int | None\n    id: str = ''\n", "SetLimit"),
    ("lazy_commits", "backends/sqlite.py", "PRAGMA synchronous=FULL", "PRAGMA synchronous=NORMAL", "NORMAL"),
    ("lazy_commits", "backends/sqlite.py", "PRAGMA synchronous=", "PRAGMA user_version=", "nowhere"),
    ("lazy_commits", "backends/sqlite.py", "PRAGMA synchronous=NORMAL", "PRAGMA synchronous=OFF", "OFF"),
    ("lazy_commits", "backends/sqlite.py", "os.fdatasync(", "os.fstat(", "sync waits for nothing"),
    ("lazy_commits", "backends/ledger_sqlite.py", ", fatal, self._undurable.sync", ", fatal", "nobody waits"),
]  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the checks look at: the source, the contracts of imports, and the contract suites."""
    sources = shutil.ignore_patterns("__pycache__", "web")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=sources)
    shutil.copytree(ROOT / "tests" / "contract", tmp_path / "tests" / "contract", ignore=sources)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


@pytest.mark.parametrize("check", CHECKS)
def test_an_untouched_copy_keeps_it(copy: Path, check: str) -> None:
    assert CHECKS[check](copy) == []


@pytest.mark.parametrize(("check", "file", "code", "named"), ADDED, ids=[f"{row[0]}: {row[3]}" for row in ADDED])
def test_an_attack_by_addition_is_seen(copy: Path, check: str, file: str, code: str, named: str) -> None:
    path = package(copy) / file
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + "\n" + code)
    assert named in "\n".join(CHECKS[check](copy))


@pytest.mark.parametrize(
    ("check", "file", "before", "after", "named"), REPLACED, ids=[f"{row[0]}: {row[4]}" for row in REPLACED]
)
def test_an_attack_by_change_is_seen(
    copy: Path, check: str, file: str, before: str, after: str, named: str
) -> None:  # fmt: skip
    path = package(copy) / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    assert named in "\n".join(CHECKS[check](copy))


def test_every_check_is_attacked() -> None:
    assert {row[0] for row in ADDED} | {row[0] for row in REPLACED} == set(CHECKS)
