"""Polls of new kinds: functions from before can't read their votes, so they come last in a deploy and go first in a rollback.

What create-poll has in its environment says what is deployed: the value of the template's parameter BallotKinds, or nothing
where the functions are from before that parameter, and read plain polls alone.
"""

from collections.abc import Callable, Mapping

import boto3
import botocore.exceptions

from landslide_local.functions import Functions
from landslide_local.stages import Failure, say

PARAMETER = "BallotKinds"
"""The template's parameter."""
ALL, PLAIN = "all", "plain"
"""Its values: which polls may be created. Votes in plain polls are choices and nothing else."""
CREATE, VARIABLE = "create-poll", "BALLOT_KINDS"
"""The function that has the value, and in which variable."""

Consent = Callable[[str], None]
"""Goes on only if a change is meant."""


def steps(session: boto3.Session, stack: str, wanted: Mapping[str, str]) -> list[dict[str, str]]:
    """The parameters of each deploy that it takes to update a stack, in order. All kinds unless `plain` is said each time."""
    last = {PARAMETER: ALL, **wanted}
    if last[PARAMETER] == PLAIN or _live_kinds(session, stack) is not None:
        return [last]
    say(
        f"The functions that run in {stack} can't read polls of the kinds that came after them. So it is deployed twice: "
        f"with {PARAMETER}={PLAIN} until all functions can, then with {PARAMETER}={last[PARAMETER]}, and takes such polls."
    )
    return [{**last, PARAMETER: PLAIN}, last]


def must_be_readable(functions: Functions, versions: Mapping[str, str], release: str, before: str, consent: Consent) -> None:
    """Fails where a release could not read polls that may still be created. Asks where such polls may exist."""
    live = _kinds(functions, functions.live(CREATE))
    if live is None or (CREATE in versions and _kinds(functions, versions[CREATE]) is not None):
        return
    if live != PLAIN:
        raise Failure(
            f"Release {release} can't read polls of the kinds that came after it, and they are still taken. First end that: "
            f"{_first(functions, before)}. Then: make rollback RELEASE={release}. Nothing was changed."
        )
    say(
        f"Release {release} can't read polls of the kinds that came after it. If there are any, until a newer release runs:\n"
        "- they answer 500, and so does a list that they are in: nobody votes in them, or sees their results\n"
        "- votes in them that are not relayed yet go to RelayDlq, whole; messages of their lanes may go to TallyDlq\n"
        "A newer release counts these votes after `landslide redrive`, within the 14 days for which both queues keep them."
    )
    consent(f"makes polls of later kinds unreadable: it leads all calls to release {release}")


def _first(functions: Functions, before: str) -> str:
    """How to have no more polls made that are not plain. A deploy in two steps has left a release that does it."""
    made = functions.version_of(CREATE, before)
    if made is not None and _kinds(functions, made) == PLAIN:
        return f"make rollback RELEASE={before}"
    return f"make deploy PARAMETERS={PARAMETER}={PLAIN}, with the code that runs"


def _live_kinds(session: boto3.Session, stack: str) -> str | None:
    try:
        functions = Functions(session, stack)
        return _kinds(functions, functions.live(CREATE))
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None  # from before functions had an alias
        raise Failure(f"{error}\nWhich polls {stack} takes can't be read, so nothing was deployed.") from error


def _kinds(functions: Functions, version: str) -> str | None:
    return functions.variables(CREATE, version).get(VARIABLE)
