"""Engines that tests share. Each is started once, when the first test asks for it; one that cannot be had skips loudly
here and fails in CI. And the order of the files: drawn, but those first that take long."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

import pytest

from matchday.ops.engines import EngineError
from matchday.ops.engines.kafka import Kafka

_LONG: Final = ("e2e", "browser", "bench", "sim", "contract", "fuzz")
"""Folders, those first whose files take longest: begun last, one of them would run alone at the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After the order was drawn."""
    ranks = {folder: rank for rank, folder in enumerate(_LONG)}
    items.sort(key=lambda item: ranks.get(item.path.parent.name, len(ranks)))


WHOLE: Final = pytest.mark.skipif(
    not os.environ.get("TEST_WHOLE"), reason="takes minutes, and CI has twenty: TEST_WHOLE=1 runs it"
)
"""Of a story that is run by command."""


def missing(what: str, error: Exception) -> NoReturn:
    """An engine cannot be had."""
    if os.environ.get("CI"):
        raise error
    pytest.skip(f"{what} IS NOT TESTED: {error}")


@pytest.fixture(scope="session")
def kafka_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real broker. Each test uses topics of its own (``kafka.platform``)."""
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() else tmp_path_factory.getbasetemp()
    with tempfile.TemporaryDirectory(dir=where, prefix="matchday-kafka-") as folder:
        engine = Kafka(Path(folder))
        try:
            import confluent_kafka  # noqa: F401 - is it there?

            engine.start()
        except (EngineError, ImportError) as error:
            missing("KAFKA", error)
        yield engine
        engine.stop()
