"""A patch is refused where LocalStack is another one."""

import unittest

from landslide_localstack import places


def place(first: int, second: int) -> int:
    return first + second


class PlacesTest(unittest.TestCase):
    def test_an_unchanged_place_passes(self) -> None:
        places.require(place, ["first", "second"], "first + second")

    def test_other_parameters_are_refused(self) -> None:
        with self.assertRaisesRegex(places.PlaceChanged, "takes"):
            places.require(place, ["first"])

    def test_other_code_is_refused(self) -> None:
        with self.assertRaisesRegex(places.PlaceChanged, "does not say"):
            places.require(place, ["first", "second"], "first - second")
