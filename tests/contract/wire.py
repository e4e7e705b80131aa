"""A wire between a ledger and its server, which can be cut, and can stop carrying."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Cut = Callable[[bytes], bool]


class Wire:
    """Carries bytes both ways, a thread for each way of each connection."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._open = threading.Event()
        self._open.set()
        self._before: Cut | None = None
        self._after: Cut | None = None
        self.was_cut = False
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def address(self, database: str) -> str:
        """Of a database of its server, by way of it."""
        return f"host=127.0.0.1 port={self.port} user=bet dbname={database} sslmode=disable"

    def cut_before(self, word: bytes) -> None:
        """Once, when the client says this: the server never hears it."""
        self._before = lambda data: word in data

    def cut_after(self, word: bytes) -> None:
        """Once, when the client has said this: the server hears it, and its answer is lost."""
        self._after = lambda data: word in data

    def cut(self) -> None:
        """All connections that there are."""
        self._end(*self._sockets)

    def hold(self) -> None:
        """Carry nothing, as a server that hangs."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.set()
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._to)
                self._sockets += [client, server]
                lost = threading.Event()
                threading.Thread(target=self._to_server, args=(client, server, lost), daemon=True).start()
                threading.Thread(target=self._to_client, args=(server, client, lost), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                self._open.wait()
                if self._before is not None and self._before(data):
                    self._before, self.was_cut = None, True
                    break
                if self._after is not None and self._after(data):
                    self._after, self.was_cut = None, True
                    lost.set()  # the way back ends it, when the server has answered
                server.sendall(data)
        self._end(client, server)

    def _to_client(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                self._open.wait()
                if lost.is_set():
                    break
                client.sendall(data)
        self._end(client, server)

    def _end(self, *sockets: socket.socket) -> None:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
