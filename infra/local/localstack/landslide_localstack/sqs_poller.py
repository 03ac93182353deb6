"""The event source mapping of queues: as exact as SQS is.

Without it an error of the function with one message group also skips the other groups of that receive, whose receive
counts rise although nobody was given their messages; and a body that is JSON arrives parsed and written again.
"""

import logging
from collections.abc import Callable

from localstack.services.lambda_.event_source_mapping.pollers.sqs_poller import SqsPoller

from landslide_localstack.patching import expect, patch

LOG = logging.getLogger(__name__)


def install() -> None:
    """Mends LocalStack's poller."""
    expect(SqsPoller.poll_events, "f82978977f64")  # which calls handle_messages group by group, in one `try` around the loop

    @patch(SqsPoller.handle_messages, "65e0b988da3f")
    def handle_messages(original: Callable, poller: SqsPoller, messages: list[dict]) -> None:
        """Leaves the messages of a failed invocation to the visibility timeout, and goes on with the next group."""
        poller.bodies = {message["MessageId"]: message["Body"] for message in messages}
        try:
            original(poller, messages)
        except Exception as error:
            LOG.warning("a batch of %s has failed: %s", poller.source_arn, getattr(error, "error", None) or error)

    @patch(SqsPoller.add_source_metadata, "c308ba659378", where=SqsPoller)
    def add_source_metadata(original: Callable, poller: SqsPoller, events: list[dict], *further: object) -> list[dict]:
        """Called once the filters have had their parsed bodies: gives each message its own again."""
        for event in events:
            event["body"] = poller.bodies[event["messageId"]]
        return original(poller, events, *further)
