"""Kafka: each record a message on one topic, by librdkafka's idempotent producer.

Within one producer librdkafka's own retries neither repeat nor reorder. Another producer, after a restart or a failure,
may repeat what the last batch of the one before had written already, with the same ids: consumers drop those.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, cast

from confluent_kafka import KafkaError, KafkaException, Producer

from standpipe import preflight
from standpipe.errors import SinkError
from standpipe.records.envelope import Envelope
from standpipe.records.fields import Fields, parse_fields
from standpipe.sinks.base import Delivered, Limits, PerRecord, Poison, Retry, wished
from standpipe.sinks.kafka_message import MESSAGE_OVERHEAD_BYTES, message_key, pack, unpack
from standpipe.sinks.kafka_settings import producer_settings
from standpipe.sinks.parts import parts_of
from standpipe.sinks.secret import read_secret
from standpipe.sinks.timestamp import record_unix_nanoseconds
from standpipe.sinks.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from standpipe.config_sinks import SinkConfig
    from standpipe.preflight import Check, Result
    from standpipe.records.framing import Record
    from standpipe.sinks.base import Batch, Context, Outcome

BATCH_BYTES = 1 << 20
BATCH_RECORDS = 5000
LINGER_SECONDS = 0.1
STEP_SECONDS = 0.2  # how soon a lasting fault is seen while a batch waits
GRACE_SECONDS = 2.0  # beyond librdkafka's own time-out, which it checks once a second
CHECK_NAME = "topic"
CHECK_SECONDS = 10.0  # for a pre-flight check; a broker that is up answers at once

RECORD_FAULTS = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_TIMESTAMP, KafkaError.INVALID_RECORD})
"""What brokers say of a whole batch of messages because of one of them: the message alone then shows which."""

CONFIG_FAULTS = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - the client's own errors begin with _ in the public API
        KafkaError._SSL,  # noqa: SLF001
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._INVALID_ARG,  # noqa: SLF001
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
        KafkaError.POLICY_VIOLATION,
    }
)

GIVEN_UP = frozenset({KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001
"""What is said of a message that we or librdkafka gave up; the reason is what was said of the connections."""

Report = KafkaError | None  # None: the brokers have it


class KafkaSink:
    """One topic of one cluster."""

    def __init__(self, config: SinkConfig, context: Context) -> None:
        """Take the settings; nothing is connected, and no secret is read."""
        self._config = config
        self._journal_id = context.journal_id
        self._envelope = Envelope(context.journal_id, config.labels)
        self._topic = config.text("topic") or ""
        self._timeout_seconds = config.seconds("timeout") or 30.0
        self._value_bytes_max = (config.number("max_message_size") or 1_000_000) - MESSAGE_OVERHEAD_BYTES
        self._producer: Producer | None = None
        self._trouble: KafkaError | None = None

    @property
    def limits(self) -> Limits:
        """How much may go at once; one batch at a time, for order."""
        return wished(Limits(BATCH_BYTES, BATCH_RECORDS, LINGER_SECONDS), self._config.batch, in_order=True)

    def encode(self, record: Record, after: int) -> bytes | Sequence[bytes]:
        """Return the payload (see kafka_message), or those of the parts. Raises Unfit where labels fill a part."""
        fields = Fields() if record.torn or record.is_seal else parse_fields(record.body)
        key = message_key(record, self._journal_id, fields.request_id)
        nanoseconds = record_unix_nanoseconds(record, fields.time)
        value = self._envelope.object(record, after)
        if len(value) <= self._value_bytes_max:
            return pack(key, nanoseconds, value)
        return parts_of(self._envelope, record, after, self._value_bytes_max, partial(pack, key, nanoseconds))

    def send(self, batch: Batch) -> Outcome:
        """Produce all of it and wait for every report; see Sink. Nothing is left in a queue, whatever comes of it."""
        self._trouble = None
        try:
            producer = self._current_producer()
        except SinkError as error:
            return Retry(str(error), config_fault=True)
        failed = self._produce(producer, batch, range(len(batch)))
        suspects = [index for index, error in failed.items() if error.code() in RECORD_FAULTS]
        if len(batch) > 1:
            for index in suspects:
                del failed[index]
                failed |= self._produce(producer, batch, (index,))
        outcome = self._outcome(failed, len(batch))
        if any(error.code() not in RECORD_FAULTS for error in failed.values()) or self._is_fatal(failed.values()):
            self._abandon()
        return outcome

    def _produce(self, producer: Producer, batch: Batch, indexes: Iterable[int]) -> dict[int, KafkaError]:
        """Produce some of a batch, in order, and wait; return those that failed, with what is said of them."""
        deadline = time.monotonic() + self._timeout_seconds + GRACE_SECONDS
        reports: dict[int, Report] = {}
        waiting = tuple(indexes)
        for index in waiting:
            message = unpack(batch.payloads[index], batch.records[index], batch.afters[index], self._journal_id)
            produce = partial(
                producer.produce,
                self._topic,
                value=message.value,
                key=message.key,
                headers=message.headers,
                timestamp=message.milliseconds,
                on_delivery=partial(_report, reports, index),
            )
            error = self._enqueue(producer, produce, deadline)
            if error is not None:
                reports[index] = error
        while len(reports) < len(waiting) and not self._gave_up(deadline):
            producer.flush(STEP_SECONDS)
        unknown = KafkaError(KafkaError._MSG_TIMED_OUT)  # noqa: SLF001 - the client's own error
        said = {index: reports.get(index, unknown) for index in waiting}
        return {index: error for index, error in said.items() if error is not None}

    def _enqueue(self, producer: Producer, produce: Callable[[], None], deadline: float) -> KafkaError | None:
        """Put a message into the queue, and wait for room there; return why it cannot be."""
        while True:
            try:
                produce()
            except BufferError:
                if self._gave_up(deadline):
                    return KafkaError(KafkaError._QUEUE_FULL)  # noqa: SLF001 - the client's own error
                producer.poll(STEP_SECONDS)
            except KafkaException as error:
                return cast("KafkaError", error.args[0])
            else:
                return None

    def _gave_up(self, deadline: float) -> bool:
        lasting = self._trouble is not None and self._trouble.code() in CONFIG_FAULTS
        return lasting or time.monotonic() > deadline

    def _outcome(self, failed: dict[int, KafkaError], count: int) -> Outcome:
        if not failed:
            return Delivered()
        faults = {index: self._fault(error) for index, error in failed.items()}
        retries = [fault for fault in faults.values() if isinstance(fault, Retry)]
        if len(retries) == count:
            return next((retry for retry in retries if retry.config_fault), retries[0])
        return PerRecord(faults)

    def _fault(self, error: KafkaError) -> Retry | Poison:
        if error.code() in RECORD_FAULTS:
            return Poison(f"topic {self._topic}: {_words(error)}", certain=True)
        trouble = self._trouble
        lasting = error.code() in CONFIG_FAULTS or (trouble is not None and trouble.code() in CONFIG_FAULTS)
        words = "the brokers did not acknowledge it in time" if error.code() in GIVEN_UP else _words(error)
        return Retry(f"topic {self._topic}: {words}{self._trouble_words()}", config_fault=lasting)

    def _trouble_words(self) -> str:
        """Return what a message's own report never says."""
        return f" ({_words(self._trouble)})" if self._trouble is not None else ""

    def _is_fatal(self, errors: Iterable[KafkaError]) -> bool:
        return any(error.fatal() for error in (*errors, self._trouble) if error is not None)

    def _current_producer(self) -> Producer:
        """Return the producer; a new one after a failure, with the files and the password as they are now."""
        if self._producer is None:
            self._producer = self._new_producer()
        return self._producer

    def _new_producer(self) -> Producer:
        secret = self._config.secret("password")
        password = read_secret(secret, f"the password of sink {self._config.name}") if secret else None
        settings = producer_settings(self._config, password)
        try:
            return Producer(settings | {"error_cb": self._take_trouble})
        except KafkaException as error:
            raise SinkError(
                f"the producer of sink {self._config.name} cannot be made: {_words(error.args[0])}",
                "Look at its TLS files and its properties",
            ) from None  # the exception could hold settings

    def _take_trouble(self, error: KafkaError) -> None:
        """Keep what librdkafka says of brokers and connections; a lasting fault is not replaced by a passing one."""
        if self._trouble is None or self._trouble.code() not in CONFIG_FAULTS:
            self._trouble = error

    def _abandon(self) -> None:
        """Give the producer up, with whatever it still has: another one cannot send it, and so it is not sent twice.

        What is on the wire may still be written; the pump sends it again with the same ids.
        """
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(STEP_SECONDS)
            self._producer = None

    def checks(self) -> list[Check]:
        """Return the check that asks for the topic; nothing is produced, and no topic is made."""
        return [preflight.Check(CHECK_NAME, lambda: [self._look()])]

    def _look(self) -> Result:
        self._trouble = None
        producer = self._new_producer()
        remedy = "Look at brokers, transport, sasl and the TLS options of this sink, and at the brokers' own logs"
        try:
            # All topics: asking for one by name would make it, where brokers create topics on their own.
            topics = producer.list_topics(timeout=min(self._timeout_seconds, CHECK_SECONDS)).topics
        except KafkaException as error:
            producer.poll(0)
            found = f"no broker answers: {_words(error.args[0])}{self._trouble_words()}"
            return preflight.failed(CHECK_NAME, found, remedy)
        topic = topics.get(self._topic)
        if topic is None or topic.error is not None:
            remedy = "Make the topic, unless the brokers do, and allow this user to describe it and to write to it"
            return preflight.warning(CHECK_NAME, f"the topic {self._topic} is not there, or not for this user", remedy)
        return preflight.ok(CHECK_NAME, f"{self._topic}, {len(topic.partitions)} partitions")

    def close(self) -> None:
        """Give the producer back; it has nothing left to send."""
        self._abandon()


def _words(error: KafkaError) -> str:
    """Return an error in words; some of them are a broker's own."""
    return one_line(error.str())


def _report(reports: dict[int, Report], index: int, error: KafkaError | None, _message: object) -> None:
    reports[index] = error


def open_sink(config: SinkConfig, context: Context) -> KafkaSink:
    """Make the sink; see base.SinkType."""
    return KafkaSink(config, context)
