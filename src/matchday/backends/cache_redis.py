"""The cache on Redis or Valkey, for as many processes as wanted (redis-py with hiredis: one round trip for all that was
asked, 0.2 to 0.4 ms on this machine, see docs/performance.md).

By Sentinels (``redis+sentinel://``) the master is looked for whenever a connection is made; one that has become a
replica refuses what is written (READONLY), and its connections are given up. What the former master alone had is lost,
as all of a cache may be.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import redis
from redis.sentinel import Sentinel

from matchday.backends.cache_driver import Ask
from matchday.config import Cache as CacheSettings

SENTINEL: Final = "redis+sentinel"
_SENTINEL_PORT: Final = 26_379


class RedisServer:
    """See ``cache_driver.Server``."""

    def __init__(self, settings: CacheSettings) -> None:
        """ValueError where the address is none."""
        timeout_s = settings.timeout_ms / 1_000
        patience: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, "retry": None}
        if urlsplit(settings.address).scheme == SENTINEL:
            self._redis = _by_sentinels(settings.address, patience)
        else:
            self._redis = redis.Redis.from_url(settings.address, protocol=3, **patience)
        self._prefix = f"{settings.prefix}:"

    def round_trip(self, asks: Sequence[Ask]) -> Sequence[Sequence[object]]:
        """See ``Server.round_trip``. A counter's life is set by whoever counts first, and never made longer."""
        pipe: Any = self._redis.pipeline(transaction=False)
        for ask in asks:
            keys = [self._prefix + key for key in ask.keys]
            match ask.kind:
                case "get":
                    pipe.mget(keys)
                case "put":
                    pipe.set(keys[0], ask.value, px=max(1, ask.ttl_ms))
                case "forget":
                    pipe.delete(*keys)
                case _:
                    for key, amount in zip(keys, ask.amounts, strict=True):
                        pipe.set(key, 0, px=max(1, ask.ttl_ms), nx=True)
                        pipe.incrby(key, amount)
        found = iter(pipe.execute())
        return [self._taken(ask, found) for ask in asks]

    @staticmethod
    def _taken(ask: Ask, found: Any) -> Sequence[object]:
        if ask.kind == "count":
            return [(next(found), next(found))[1] for _ in ask.keys]
        answer = next(found)
        return answer if ask.kind == "get" else ()

    def close(self) -> None:
        """See ``Server.close``."""
        self._redis.close()


def _by_sentinels(address: str, patience: dict[str, Any]) -> redis.Redis:
    """The master that the Sentinels of ``redis+sentinel://[:PASSWORD@]HOST:PORT,…/NAME[/NUMBER]`` name. The password is
    the master's. ValueError where there is no host or no name."""
    parts = urlsplit(address)
    login, _, places = parts.netloc.rpartition("@")
    name, _, number = parts.path.strip("/").partition("/")
    hosts = [_place(place) for place in places.split(",") if place]
    if not (hosts and name):
        raise ValueError("of Sentinels it is redis+sentinel://HOST:PORT,HOST:PORT/NAME/NUMBER, with the master's name")
    untyped: Any = Sentinel
    sentinels = untyped(hosts, sentinel_kwargs={"protocol": 3, **patience})
    password = unquote(login.partition(":")[2]) or None
    master: redis.Redis = sentinels.master_for(name, db=int(number or 0), password=password, protocol=3, **patience)
    return master


def _place(place: str) -> tuple[str, int]:
    host, colon, port = place.rpartition(":")
    return (host, int(port)) if colon else (place, _SENTINEL_PORT)
