"""The invariants of ARCHITECTURE.md that a parser can see: no ambient time, chance or id; no float near money."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "matchday"
FILES = sorted(SOURCE.rglob("*.py"))

AMBIENT = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "sleep"},
    "datetime": {"now", "utcnow", "today"},
    "random": {"random", "randint", "randrange", "choice", "choices", "shuffle", "uniform", "seed", "getrandbits"},
    "uuid": {"uuid1", "uuid4", "uuid7"},
    "secrets": {"token_bytes", "token_hex", "token_urlsafe", "randbelow", "choice"},
    "os": {"urandom", "getrandom"},
}
CLOCKS = {"backends/clock_wall.py"}
"""Where ambient time, chance and ids may stand."""
MONEY = ["model/money.py", "model/price.py", "model/bet.py", "model/lines.py", "model/ledger.py", "model/posting.py",
         "model/market.py", "calc.py"]  # fmt: skip


def relative(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def ambient(tree: ast.AST) -> Iterator[str]:
    """Calls of module-level clocks and dice, however they were imported."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in AMBIENT:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute):
            owner = node.func.value
            base = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            base = names.get(base, base).rpartition(".")[2] if base in names else base
            if node.func.attr in AMBIENT.get(base, ()):
                yield f"{base}.{node.func.attr} in line {node.lineno}"
        elif isinstance(node.func, ast.Name):
            module, _, name = names.get(node.func.id, "").rpartition(".")
            if name in AMBIENT.get(module, ()):
                yield f"{module}.{name} in line {node.lineno}"


def floats(tree: ast.AST) -> Iterator[str]:
    """Float literals, true division and float() calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"{node.value} in line {node.lineno}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"/ in line {node.lineno}"
        elif isinstance(node, ast.Name) and node.id == "float":
            yield f"float in line {node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_only_clocks_know_time_chance_and_ids(path: Path) -> None:
    if relative(path) not in CLOCKS:
        assert list(ambient(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize("name", MONEY)
def test_no_float_touches_money_or_price(name: str) -> None:
    assert list(floats(ast.parse((SOURCE / name).read_text()))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.time()",
        "from time import time\ntime()",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime as d\nd.now()",
        "import random\nrandom.random()",
        "import uuid\nuuid.uuid4()",
        "import os\nos.urandom(8)",
    ],
)
def test_the_check_sees_an_ambient_call(code: str) -> None:
    assert list(ambient(ast.parse(code)))


@pytest.mark.parametrize("code", ["stake = 0.1", "half = amount / 2", "float(stake)", "amount /= 2"])
def test_the_check_sees_a_float(code: str) -> None:
    assert list(floats(ast.parse(code)))


def test_every_setting_says_its_unit_and_consequence() -> None:
    """Each field of the settings is followed by a docstring."""
    tree = ast.parse((SOURCE / "config.py").read_text())
    for section in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        if section.name in ("Settings", "SettingsError"):
            continue
        body = section.body
        for field, after in zip(body, [*body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign):
                documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                assert documented, f"{section.name}.{ast.unparse(field.target)} has no docstring"
