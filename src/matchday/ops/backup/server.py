"""The PostgreSQL that is backed up: who asks it, over which connection, and what its clock says."""

import os
from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, Final

from matchday.backends.errors import client_of
from matchday.ops.backup import BackupError

if TYPE_CHECKING:
    import psycopg

_CONNECT_S: Final = 5
_STATEMENT: Final = "-c statement_timeout=30000"


class Asked:
    """A server by its address. ``user``: who may copy it, where that is not who writes to it."""

    def __init__(self, address: str, user: str = "") -> None:
        with client_of("PostgreSQL", BackupError):
            from psycopg import ProgrammingError
            from psycopg.conninfo import conninfo_to_dict, make_conninfo
        try:
            given = conninfo_to_dict(address)
        except ProgrammingError:  # its text may hold the password
            raise BackupError(
                "the address of the ledger is no connection string that libpq knows; see MATCHDAY_POSTGRES_ADDRESS"
            ) from None
        self._password = str(given.pop("password", None) or "")
        named: dict[str, Any] = {"connect_timeout": _CONNECT_S, "target_session_attrs": "read-write", **given}
        if user:
            named["user"] = user
        self._make, self._named = make_conninfo, named

    def here(self, port: int) -> "Asked":
        """The same database of a server on a port of this machine."""
        moved = copy(self)
        moved._named = {name: word for name, word in self._named.items() if name != "hostaddr"}
        moved._named |= {"host": "127.0.0.1", "port": port}
        return moved

    @property
    def port(self) -> int:
        """Of the one host that it names."""
        return int(self._named["port"])

    def words(self, name: str) -> str:
        """For programs of PostgreSQL, which know it by that name (``application_name``). Without the password."""
        return self._make("", **{**self._named, "application_name": name})

    def whole(self, name: str) -> str:
        """The same with the password, for this process alone."""
        return self._make(self.words(name), **({"password": self._password} if self._password else {}))

    @property
    def environment(self) -> Mapping[str, str]:
        """For these programs: where the password is, which everybody would see among their words."""
        return {**os.environ, **({"PGPASSWORD": self._password} if self._password else {})}

    def connection(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """To ask it. BackupError where it cannot be reached."""
        import psycopg

        try:
            return psycopg.connect(self.whole("matchday backup"), autocommit=True, options=_STATEMENT)
        except psycopg.Error as error:
            raise BackupError(
                f"the ledger cannot be reached: {str(error).strip().splitlines()[0]}; start it, or set "
                "MATCHDAY_POSTGRES_ADDRESS to where it is"
            ) from error

    def ask(self, sql: str) -> tuple[Any, ...]:
        """The one row of a statement. BackupError where it is not answered."""
        import psycopg

        with self.connection() as connection:
            try:
                found = connection.execute(sql.encode()).fetchone()
            except psycopg.Error as error:
                raise BackupError(f"the ledger does not answer: {str(error).strip().splitlines()[0]}") from error
        assert found is not None
        return found

    def now_ms(self) -> int:
        """Milliseconds since 1970 by its clock."""
        return int(self.ask("SELECT (1000 * extract(epoch FROM clock_timestamp()))::bigint")[0])
