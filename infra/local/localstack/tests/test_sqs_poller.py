"""A queue's event source mapping: groups apart, bodies as they were sent."""

import hashlib
import unittest
from typing import Any

from localstack.services.lambda_.event_source_mapping.event_processor import PartialBatchFailureError
from localstack.services.lambda_.event_source_mapping.pollers.sqs_poller import SqsPoller

from landslide_localstack import sqs_poller

sqs_poller.install()  # once in a process, as at LocalStack's start

ARN = "arn:aws:sqs:us-east-1:000000000000:votes.fifo"


class FakeQueue:
    """Gives its messages once, and remembers what is deleted."""

    def __init__(self, messages: list[dict]) -> None:
        self.messages = messages
        self.deleted: list[str] = []

    def receive_message(self, **_: object) -> dict:
        return {"Messages": self.messages}

    def delete_message_batch(self, Entries: list[dict], **_: object) -> None:
        self.deleted += [entry["ReceiptHandle"] for entry in Entries]


class FakeFunction:
    """Remembers the batches that it gets, and fails those of a group."""

    def __init__(self, fails: dict[str, Exception]) -> None:
        self.fails = fails
        self.batches: list[list[dict]] = []

    def process_events_batch(self, events: list[dict]) -> None:
        self.batches.append(events)
        if error := self.fails.get(events[0]["attributes"]["MessageGroupId"]):
            raise error


def message(group: str, body: str) -> dict:
    return {
        "MessageId": f"id-{group}-{body}",
        "ReceiptHandle": f"{group} {body}",
        "Body": body,
        "MD5OfBody": hashlib.md5(body.encode()).hexdigest(),
        "Attributes": {"MessageGroupId": group},
    }


def poll(messages: list[dict], fails: dict[str, Exception] | None = None, patterns: Any = ()) -> tuple[FakeQueue, FakeFunction]:
    """One look of the poller at a FIFO queue."""
    queue, function = FakeQueue(messages), FakeFunction(fails or {})
    poller = SqsPoller.__new__(SqsPoller)
    poller.source_arn, poller.aws_region, poller.queue_url = ARN, "us-east-1", "http://queue"
    poller.source_client, poller.processor = queue, function
    poller.batch_size, poller.maximum_batching_window = 10, 0
    poller.filter_patterns = list(patterns)
    poller.is_fifo_queue = True
    poller.poll_events()
    return queue, function


class SqsPollerTest(unittest.TestCase):
    def test_an_error_in_one_group_leaves_the_others_alone(self) -> None:
        queue, function = poll([message("a", "1"), message("b", "2"), message("c", "3")], {"a": RuntimeError("no")})
        self.assertEqual(len(function.batches), 3)
        self.assertEqual(queue.deleted, ["b 2", "c 3"])

    def test_what_a_partial_failure_names_stays(self) -> None:
        failure = PartialBatchFailureError(partial_failure_payload={"batchItemFailures": [{"itemIdentifier": "id-a-2"}]})
        queue, _ = poll([message("a", "1"), message("a", "2")], {"a": failure})
        self.assertEqual(queue.deleted, ["a 1"])

    def test_a_body_arrives_byte_for_byte(self) -> None:
        bodies = ['{"a":1,"b":"é"}', '{"a":1,"a":2}', '"quoted"', " 1e2 ", "AQID", "null"]
        for body in bodies:
            with self.subTest(body=body):
                _, function = poll([message("a", body)])
                event = function.batches[0][0]
                self.assertEqual(event["body"], body)
                self.assertEqual(event["md5OfBody"], hashlib.md5(event["body"].encode()).hexdigest())

    def test_a_filter_still_sees_the_parsed_body(self) -> None:
        messages = [message("a", '{"n":1}'), message("b", '{"n":2}')]
        queue, function = poll(messages, patterns=[{"body": {"n": [2]}}])
        self.assertEqual([[event["body"] for event in batch] for batch in function.batches], [['{"n":2}']])
        self.assertEqual(queue.deleted, ['a {"n":1}', 'b {"n":2}'])
