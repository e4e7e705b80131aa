"""Engines that are started here take connections, come back where they were, and say why they do not start."""

import socket
from pathlib import Path

import pytest

from matchday.ops.engines import Engine, EngineError, cache_folder, free_ports, program
from matchday.ops.engines.kafka import fetch_jars
from matchday.ops.engines.redis import Redis
from tests.conftest import missing


def answers(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).decode()


def test_redis_comes_back_where_it_was(tmp_path: Path) -> None:
    try:
        engine = Redis(tmp_path)
        engine.start()
    except EngineError as error:
        missing("REDIS", error)
    assert answers(engine.port) == "+PONG\r\n"
    engine.kill()
    with pytest.raises(OSError, match="refused"):
        answers(engine.port)
    with engine:
        assert answers(engine.port) == "+PONG\r\n"
    engine.stop()


def test_one_that_does_not_start_says_why(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    engine = Engine("some engine", ["sh", "-c", "echo no room in here >&2; exit 3"], tmp_path / "log", port)
    with pytest.raises(EngineError, match=rf"some engine did not start on port {port}(?s:.*)no room in here"):
        engine.wait_until_ready()


def test_what_is_not_installed_is_named_with_its_package() -> None:
    with pytest.raises(EngineError, match="apt-get install some-package"):
        program("no-such-program", "some-package")


def test_jars_of_another_content_are_not_used(
    tmp_path: Path, kafka_engine: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has changed one in the repository, or on the way: here the pinned digest was."""
    wanted = "matchday.ops.engines.kafka._wanted"
    monkeypatch.setattr(wanted, lambda: {"org.apache.kafka:kafka-tools-api:4.3.1": "0" * 64})
    monkeypatch.setattr("matchday.ops.engines.kafka._version", lambda _: "changed")
    with pytest.raises(EngineError, match=r"kafka-tools-api:4\.3\.1 is not what"):
        fetch_jars(tmp_path)
    assert [left.name for left in tmp_path.iterdir()] == ["fetching.lock"]


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/matchday")
