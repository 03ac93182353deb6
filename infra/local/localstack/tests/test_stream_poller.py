"""How many records are read at once, and how many a function gets."""

import unittest
from unittest import mock

import boto3
from botocore.stub import Stubber
from localstack.services.lambda_.event_source_mapping.pollers.dynamodb_poller import DynamoDBPoller

from landslide_localstack import stream_poller

stream_poller.install()  # once in a process, as at LocalStack's start

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1"


class StreamPollerTest(unittest.TestCase):
    def poller(self, client: object, batch_size: int) -> DynamoDBPoller:
        parameters = {"DynamoDBStreamParameters": {"BatchSize": batch_size, "StartingPosition": "TRIM_HORIZON"}}
        return DynamoDBPoller(ARN, parameters, client, mock.Mock(), shards={"s": "i"})

    def test_a_large_batch_is_read_a_thousand_records_at_a_time(self) -> None:
        client = boto3.client("dynamodbstreams", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        for batch_size, limit in ((10_000, 1_000), (100, 100)):
            with Stubber(client) as stub:
                stub.add_response("get_records", {"Records": []}, {"ShardIterator": "i", "Limit": limit})
                self.assertEqual(self.poller(client, batch_size).get_records("i"), {"Records": []})
                stub.assert_no_pending_responses()

    def test_a_function_gets_all_records_in_order_and_never_over_six_megabytes(self) -> None:
        poller = self.poller(mock.Mock(), 10_000)
        records = [{"eventID": str(n), "eventName": "INSERT", "dynamodb": {"SequenceNumber": str(n)}} for n in range(7)]
        records[2]["dynamodb"]["NewImage"] = {"a": {"S": "x" * 7_000_000}}  # alone over the limit: Lambda has to say so
        for n in (4, 5, 6):
            records[n]["dynamodb"]["NewImage"] = {"a": {"S": "x" * 3_000_000}}
        poller.forward_events_to_target("s", records)
        batches = [call.args[0] for call in poller.processor.process_events_batch.call_args_list]
        self.assertEqual(
            [[event["eventID"] for event in batch] for batch in batches], [["0", "1"], ["2"], ["3", "4", "5"], ["6"]]
        )
