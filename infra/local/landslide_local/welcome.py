"""Makes the demo poll and shows what to try."""

from landslide_local import api, operator_program
from landslide_local.stack import Stack
from landslide_local.stages import stage

POLL = {"question": "Tea or coffee?", "options": ["Tea", "Coffee", "Neither"]}


def show(deployed: Stack) -> None:
    """Prints the address, a poll, and lines that work when pasted."""
    with stage("make a demo poll"):
        poll = _create_poll(deployed)
    url, poll_id = deployed.api_url, poll["poll_id"]
    options = ", ".join(f"{option['id']} = {option['label']}" for option in poll["options"])
    vote_headers = """-H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json'"""
    print(
        f"""
Landslide is up. Vote in a browser (Chrome, Edge or Firefox: Safari may keep no cookie of an http address):

  {deployed.outputs["PagesUrl"]}/p/{poll_id}

That is a poll: {poll["question"]} ({options}). Its API is at
  {url}

Paste these: a device, its vote, the results (a vote is counted within a second or two).

  TOKEN=$(curl -s -X POST {url}/v1/devices | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')
  curl -s {url}/v1/polls/{poll_id}/votes {vote_headers} -d '{{"choices":[1]}}'; echo
  curl -s {url}/v1/polls/{poll_id}/results; echo

Then: make demo (a real election), make token SUB=alice (an account), make test, make down."""
    )


def _create_poll(deployed: Stack) -> dict:
    """The same poll each time: the key finds it again."""
    token = operator_program.token(deployed.issuer_key, "demo")
    return api.post(deployed.api_url, "/v1/polls", token, POLL, {"Idempotency-Key": "make-up"})
