"""A cloud that others run: an emulator at AWS_ENDPOINT_URL (LocalStack in Docker, say), or AWS itself."""

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import ClassVar

from landslide_local import build, clients
from landslide_local.stages import Failure, say

ANSWER_SECONDS_MAX = 10


class External:
    """Whatever answers at the caller's AWS_ENDPOINT_URL, else AWS, with the caller's credentials. It is neither started nor
    stopped here, and nothing of it is mended."""

    name = clients.EXTERNAL
    venvs: tuple[str, ...] = ()
    tests_at_once = 2
    lacks: ClassVar[Mapping[str, str]] = {
        "function-processes": "functions run elsewhere, not as processes of this machine",
        "way-to-this-machine": "functions that run elsewhere don't reach this machine",
    }

    def __init__(self) -> None:
        self.endpoint_url = os.environ.get("AWS_ENDPOINT_URL") or None
        self.region = self._region()
        self.calls_at_once = 64 if self.endpoint_url is None else 12
        if self.endpoint_url is None:
            self.lacks = {
                **self.lacks,
                "plain-http": "calls of AWS can't be held up on their way",
                "expiry-on-request": "AWS removes expired items within days",
            }
        else:
            self.lacks = {**self.lacks, "enforced-iam": "emulators in containers enforce no policies unless told to"}

    def _region(self) -> str:
        if self.endpoint_url is not None:
            return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or clients.REGION
        from landslide_local import account  # it imports boto3, which is not there when this module is read

        return account.region()

    def install(self) -> None:
        """Nothing: it is there."""

    def build(self) -> str:
        """An emulator in a container runs what this machine's processor runs; AWS gets what ships."""
        build.for_local_cloud()
        if self.endpoint_url is not None:
            return build.host_architecture()
        build.for_lambda("arm64")
        return "arm64"

    def start(self) -> None:
        """Makes sure that somebody answers."""
        if self.endpoint_url is None:
            return  # its account has been shown already
        try:
            urllib.request.urlopen(self.endpoint_url, timeout=ANSWER_SECONDS_MAX).close()
        except urllib.error.HTTPError:
            pass  # an answer all the same
        except OSError as error:
            raise Failure(
                f"{error}\nNobody answers at AWS_ENDPOINT_URL={self.endpoint_url}. Unset it to mean AWS itself."
            ) from error
        say(f"    {self.endpoint_url} answers")

    def api_url(self, outputs: dict[str, str]) -> str:
        """The address in the outputs, on AWS."""
        if self.endpoint_url is None:
            return outputs["ApiUrl"].rstrip("/")
        return clients.emulated_api_url(self.endpoint_url, outputs)

    def after_deploy(self, stack: str) -> None:
        """Nothing: what it leaves out stays out, and its tests fail."""
