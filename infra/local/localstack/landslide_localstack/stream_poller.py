"""The event source mapping of tables' streams: takes batches as large as Lambda's and gives the function no more than it takes.

LocalStack's poller asks for as many records as the mapping's batch size, of which DynamoDB gives a thousand at once: a larger
size is refused, and no record ever arrives. Nor does it look at how large an invocation becomes.
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from localstack.services.lambda_.event_source_mapping.pollers.dynamodb_poller import DynamoDBPoller
from localstack.services.lambda_.event_source_mapping.pollers.stream_poller import StreamPoller

from landslide_localstack.patching import patch

Record = dict[str, Any]

READ_RECORDS_MAX = 1_000
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html"""

PAYLOAD_BYTES_MAX = 6 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

RECORD_BYTES_MORE = 512
"""What the poller adds to a record, its ARN above all."""


def install() -> None:
    """Mends LocalStack's poller."""

    @patch(DynamoDBPoller.__init__, "0a408248f5ca")
    def init(original: Callable[..., None], poller: DynamoDBPoller, *arguments: Any, **named: Any) -> None:
        original(poller, *arguments, **named)
        events = poller.source_client.meta.events  # of a client that mappings share
        events.register("provide-client-params.dynamodb-streams.GetRecords", read_fewer, unique_id="landslide-read-fewer")

    @patch(StreamPoller.forward_events_to_target, "9473064dbc51")
    def forward(original: Callable[..., None], poller: StreamPoller, shard_id: str, records: list[Record]) -> None:
        for batch in split(records):
            original(poller, shard_id, batch)


def read_fewer(params: dict[str, Any], **_: Any) -> None:
    """Asks for no more records than DynamoDB gives; the poller gathers them."""
    params["Limit"] = min(params["Limit"], READ_RECORDS_MAX)


def split(records: list[Record]) -> Iterator[list[Record]]:
    """Records in order, in as many batches as payloads are needed for them."""
    batch: list[Record] = []
    size = 0
    for record in records:
        more = len(json.dumps(record, default=str)) + RECORD_BYTES_MORE
        if batch and size + more > PAYLOAD_BYTES_MAX:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += more
    if batch:
        yield batch
