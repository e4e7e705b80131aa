"""The cache on Memcached, where an operator has that: all verbs, times rounded up to seconds. Its counters go with
whatever it throws away for room, which a cache may do."""

from collections.abc import Sequence

from pymemcache.client.base import Client

from matchday.backends.cache_driver import Ask
from matchday.config import Cache as CacheSettings


class MemcachedServer:
    """See ``cache_driver.Server``."""

    def __init__(self, settings: CacheSettings) -> None:
        host, _, port = settings.address.removeprefix("memcached://").rpartition(":")
        timeout_s = settings.timeout_ms / 1_000
        self._client = Client(
            (host, int(port)), connect_timeout=timeout_s, timeout=timeout_s, key_prefix=f"{settings.prefix}:".encode(),
            no_delay=True,
        )  # fmt: skip

    def round_trip(self, asks: Sequence[Ask]) -> Sequence[Sequence[object]]:
        """See ``Server.round_trip``: one after the other, as its protocol has no more than that for all verbs."""
        try:
            return [self._do(ask) for ask in asks]
        except Exception:
            self._client.close()  # what is left of an answer would be taken for the next one's
            raise

    def _do(self, ask: Ask) -> Sequence[object]:
        ttl_s = -(-ask.ttl_ms // 1_000)
        match ask.kind:
            case "get":
                found = self._client.get_many(ask.keys)
                return [found.get(key) for key in ask.keys]
            case "put":
                self._client.set(ask.keys[0], ask.value, expire=ttl_s, noreply=False)
            case "forget":
                self._client.delete_many(ask.keys, noreply=False)
            case _:
                return [self._count(key, amount, ttl_s) for key, amount in zip(ask.keys, ask.amounts, strict=True)]
        return ()

    def _count(self, key: str, amount: int, ttl_s: int) -> int:
        found = self._client.incr(key, amount, noreply=False)
        if found is None:
            self._client.add(key, b"0", expire=ttl_s, noreply=False)  # somebody else's is as good
            found = self._client.incr(key, amount, noreply=False)
        return amount if found is None else int(found)

    def close(self) -> None:
        """See ``Server.close``."""
        self._client.close()
