"""Waiting: a room's callback as something to await, never longer than the settings say."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from matchday.edge.parse import within
from matchday.edge.problems import Problem
from matchday.ports import Clock

_Result = TypeVar("_Result")


async def in_time(clock: Clock, limit_ms: int, ask: Callable[[Callable[[_Result], None]], None]) -> _Result:
    """What a room answers; TimeoutError where it takes too long. What was asked for goes on."""
    future: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
    async with within(clock, limit_ms):
        ask(lambda result: None if future.done() else future.set_result(result))
        return await future


async def first_of(ask: Callable[[Callable[[_Result], None]], None]) -> _Result:
    """The first that is said; whoever says it does so in time."""
    future: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
    ask(lambda result: None if future.done() else future.set_result(result))
    return await future


async def answered(clock: Clock, limit_ms: int, ask: Callable[[Callable[[_Result], None]], None]) -> _Result:
    """The same, with a problem that names the remedy where it takes too long."""
    try:
        return await in_time(clock, limit_ms, ask)
    except TimeoutError:
        detail = "it may yet be recorded: look again, or send the same id again"
        raise Problem("not_answered", detail, retry_after_s=1) from None
