"""The key that signs tokens, shared by all gates of a platform."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

from matchday.app.errors import StartError
from matchday.backends.clock_wall import WallClock
from matchday.config import SECRET_MIN, Settings
from matchday.model.role import Role
from matchday.services.accounts import Tokens

SECRET_BYTES: Final = 32


def secret_of(settings: Settings, data: Path, clock: WallClock) -> bytes:
    """The key by the settings; else that of the data folder, made at the first start and readable by its owner only.
    StartError where it cannot be read, or where a ledger that others share leaves no place for one of our own."""
    if (found := _set(settings)) is not None:
        return found
    if settings.ledger.kind != "sqlite":
        raise StartError(
            "setting doors.secret_file is missing: all gates of a platform sign with one key; name a file of 32 random "
            "bytes (openssl rand -out FILE 32), or set MATCHDAY_DOORS_SECRET"
        )
    path = data / "secret"
    if not path.exists():
        try:
            _make(path, clock.entropy(SECRET_BYTES))
        except OSError as error:
            raise StartError(
                f"key {path} cannot be made: {error.strerror}; the data folder must be writable, or choose another "
                "with --data DIR"
            ) from error
    return _read(path)


def sign_token(data: Path, settings: Settings, name: str, role: Role) -> str:
    """A token that the platform of a data folder, or of these settings, takes. StartError where it has no key that can
    be read."""
    secret = _set(settings)
    if secret is None:
        secret = _read(data / "secret")
    with asyncio.Runner() as runner:
        return Tokens(WallClock(runner.get_loop()), settings, secret).sign(name, role)[0]


def _make(path: Path, secret: bytes) -> None:
    """Whole and on the disk before it has its name: a key that was cut short would be anybody's. One that somebody else
    makes at this moment stays."""
    made = path.with_name(f".{path.name}.{os.getpid()}")
    made.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(made, path)
    finally:
        made.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> bytes:
    """The key of a data folder."""
    return _key(
        path, f"key {path}",
        "; name the data folder of a platform that has been started, with --data DIR, or settings that name its key, "
        "with --config TOML",
        ", and anybody could guess it; put back a copy, or remove it: a new one is made at the next start, and "
        "everybody signs in again",
    )  # fmt: skip


def _set(settings: Settings) -> bytes | None:
    """The key that the settings name."""
    doors = settings.doors
    if doors.secret:
        return doors.secret.encode()
    if not doors.secret_file:
        return None
    named = f"setting doors.secret_file: {doors.secret_file}"
    return _key(Path(doors.secret_file), named, "; name a file with the key of all gates", "")


def _key(path: Path, named: str, unread: str, short: str) -> bytes:
    """A key, whole. StartError with what to do where it cannot be read, or is so short that anybody could guess it."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise StartError(f"{named}: {error.strerror}{unread}") from error
    if len(key) < SECRET_MIN:
        raise StartError(f"{named} has less than {SECRET_MIN} bytes{short}")
    return key
