"""How many requests a method takes."""

import json
import unittest
from unittest import mock

from landslide_localstack import gateway_throttle
from tests.rest_api import RestApi, integration


class ThrottleTest(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 1000.0
        clock = mock.patch.object(gateway_throttle.time, "monotonic", lambda: self.now)
        clock.start()
        self.addCleanup(clock.stop)
        self.api = RestApi()

    def limit(self, method: str, rate: float, burst: int) -> None:
        self.api.stage["methodSettings"][method] = {"throttlingRateLimit": rate, "throttlingBurstLimit": burst}

    def statuses(self, count: int, verb: str = "GET") -> list[int]:
        with integration(lambda context: "ok"):
            return [self.api.call(verb, "/open").status_code for _ in range(count)]

    def test_the_burst_goes_at_once_and_then_the_rate(self) -> None:
        self.limit("*/*", 2, 3)
        self.assertEqual(self.statuses(5), [200, 200, 200, 429, 429])
        self.now += 0.5
        self.assertEqual(self.statuses(2), [200, 429])
        self.now += 1000  # the bucket never holds more than the burst
        self.assertEqual(self.statuses(4), [200, 200, 200, 429])

    def test_a_method_has_a_bucket_of_its_own(self) -> None:
        self.limit("*/*", 1, 1)
        self.assertEqual(self.statuses(2), [200, 429])
        self.assertEqual(self.statuses(2, "POST"), [200, 429])

    def test_a_methods_setting_goes_before_that_of_all(self) -> None:
        self.limit("*/*", 1, 1)
        self.limit("~1open/POST", 1, 2)
        self.assertEqual(self.statuses(3, "POST"), [200, 200, 429])
        self.assertEqual(self.statuses(2), [200, 429])

    def test_a_new_setting_counts_at_once(self) -> None:
        self.limit("*/*", 1, 1)
        self.assertEqual(self.statuses(2), [200, 429])
        self.limit("*/*", 1000, 1000)
        self.assertEqual(self.statuses(2), [200, 200])

    def test_a_burst_of_nothing_stops_everything(self) -> None:
        self.limit("*/*", 0, 0)
        self.assertEqual(self.statuses(2), [429, 429])

    def test_a_stage_without_settings_takes_everything(self) -> None:
        self.assertEqual(self.statuses(50), [200] * 50)

    def test_the_answer_says_so(self) -> None:
        self.limit("*/*", 0, 0)
        response = self.api.call("GET", "/open")
        self.assertEqual(json.loads(response.data), {"message": "Too Many Requests"})
        self.assertEqual(response.headers["x-amzn-ErrorType"], "TooManyRequestsException")
