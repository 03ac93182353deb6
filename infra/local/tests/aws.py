"""Answers of AWS without AWS: botocore's own Stubber, which checks requests and answers against the services' models."""

import os
import unittest
from unittest import mock

import boto3
import botocore.session
from botocore.stub import Stubber

WITHOUT_AWS = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
REGION = "eu-west-1"


class AwsTest(unittest.TestCase):
    """Tests in which every client is a stub: what a test has not said that AWS answers, fails it."""

    def setUp(self) -> None:
        self.set_environment({"AWS_REGION": REGION})
        self.stubs: dict[str, Stubber] = {}
        self.regions: set[str] = set()
        patch = mock.patch.object(boto3.Session, "client", autospec=True, side_effect=self._client)
        patch.start()
        self.addCleanup(patch.stop)

    def set_environment(self, variables: dict[str, str]) -> None:
        patch = mock.patch.dict(os.environ, WITHOUT_AWS | variables, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def stub(self, service: str) -> Stubber:
        """The answers of a service, to be added in order."""
        if service not in self.stubs:
            self.stubs[service] = Stubber(botocore.session.Session().create_client(service, region_name=REGION))
            self.stubs[service].activate()
        return self.stubs[service]

    def _client(self, session: boto3.Session, service: str, **_: object) -> object:
        self.regions.add(session.region_name)
        return self.stub(service).client

    def assert_all_asked(self) -> None:
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()
