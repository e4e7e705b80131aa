"""How the command ends where somebody else ends it: by a signal, or by reading no more of what it prints."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from matchday.__main__ import main
from matchday.ended import Ended, ended_by_signals

SLIP = '{"type": "single", "currency": "EUR", "stake": "1.00", "legs": [{"price": "2.0", "result": "won"}]}'


@pytest.fixture(autouse=True)
def _as_a_shell_starts_it() -> Iterator[None]:
    """Whoever runs these tests may have signals ignored himself, as ``nohup`` does."""
    former = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


def be_sent(number: signal.Signals) -> None:
    """And wait for what that does, for a moment."""
    os.kill(os.getpid(), number)
    select.select([], [], [], 10.0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_it_began_is_put_away_when_it_is_terminated(number: signal.Signals) -> None:
    put_away = []

    def terminated() -> None:
        with ended_by_signals():
            try:
                be_sent(number)
            finally:
                put_away.append(number)

    with pytest.raises(Ended) as ended:
        terminated()
    assert (ended.value.number, put_away) == (number, [number])
    assert signal.getsignal(number) is signal.SIG_DFL


def test_what_is_ignored_stays_so_and_a_way_of_one_s_own_counts() -> None:
    """As ``nohup`` has it; and as processes that drain."""
    heard = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    with ended_by_signals():
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
    assert heard == [1]
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_its_status_says_which_signal_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def terminated(_options: object) -> int:
        be_sent(signal.SIGTERM)
        return 0

    monkeypatch.setattr("matchday.__main__._calc", terminated)
    assert main(["calc", "-"]) == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "matchday: SIGTERM\n"


def test_whoever_reads_no_more_of_it_gets_no_story() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nobody:
        words = [sys.executable, "-m", "matchday", "calc", "-"]
        ended = subprocess.run(words, input=SLIP.encode(), stdout=nobody, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_server_that_hangs_up_is_no_reader_who_has_read_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a broker: what it leaves undone is told, as any other fault."""

    def spoke_to_a_server(_options: object) -> int:
        ours, theirs = socket.socketpair()
        theirs.close()
        with ours:
            ours.send(b"x")
        return 0

    monkeypatch.setattr("matchday.__main__._calc", spoke_to_a_server)
    with pytest.raises(BrokenPipeError):
        main(["calc", "-"])
