"""Makes the demo poll and shows what to try."""

from landslide_local import api, operator_program
from landslide_local.stack import Stack
from landslide_local.stages import stage

POLL = {"question": "Tea or coffee?", "options": ["Tea", "Coffee", "Neither"]}
OF_ACCOUNTS = {**POLL, "identity": "account"}


def show(deployed: Stack, *, sign_in: bool) -> None:
    """Prints the address, a poll, and lines that work when pasted."""
    with stage("make a demo poll"):
        poll = _create_poll(deployed, POLL, "make-up")
        of_accounts = _create_poll(deployed, OF_ACCOUNTS, "make-up-accounts") if sign_in else None
    url, poll_id = deployed.api_url, poll["poll_id"]
    options = ", ".join(f"{option['id']} = {option['label']}" for option in poll["options"])
    vote_headers = """-H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json'"""
    print(
        f"""
Landslide is up. Vote in a browser (Chrome, Edge or Firefox: Safari may keep no cookie of an http address):

  {deployed.outputs["PagesUrl"]}/p/{poll_id}
{_to_sign_in(deployed, of_accounts)}
That is a poll: {poll["question"]} ({options}). Its API is at
  {url}

Paste these: a device, its vote, the results (a vote is counted within a second or two).

  TOKEN=$(curl -s -X POST {url}/v1/devices | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')
  curl -s {url}/v1/polls/{poll_id}/votes {vote_headers} -d '{{"choices":[1]}}'; echo
  curl -s {url}/v1/polls/{poll_id}/results; echo

Then: make demo (a real election), make token SUB=alice (an account), make test, make down."""
    )


def _to_sign_in(deployed: Stack, poll: dict | None) -> str:
    """Where one signs in to vote, if anywhere."""
    if poll is None:
        return ""
    return f"""
Or sign in first, under any name and with any password:

  {deployed.outputs["PagesUrl"]}/p/{poll["poll_id"]}
"""


def _create_poll(deployed: Stack, poll: dict, key: str) -> dict:
    """The same poll each time: the key finds it again."""
    token = operator_program.token(deployed.issuer_key, "demo")
    return api.post(deployed.api_url, "/v1/polls", token, poll, {"Idempotency-Key": key})
