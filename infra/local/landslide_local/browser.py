"""The page in a real browser: what `tests/browser` runs, told where the stack is."""

import os
import shutil
import time
from typing import TYPE_CHECKING, NoReturn

from landslide_local import operator_program, paths
from landslide_local.stages import Failure

if TYPE_CHECKING:
    from landslide_local.stack import Stack

FOLDER = paths.ROOT / "tests" / "browser"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def program() -> str:
    """The browser: CHROMIUM, or one of those that are installed."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise Failure("No Chromium was found. Install it (Debian: apt-get install chromium), or set CHROMIUM to one.")
    return found


def become(deployed: "Stack", script: str, *, sign_in: bool) -> NoReturn:
    """Runs a script of package.json over a stack, in place of this program. By an owner of its own: a tenant may make 1,000
    polls a day."""
    os.environ |= {
        "CHROMIUM": program(),
        "API_URL": deployed.api_url,
        "PAGES_URL": deployed.outputs["PagesUrl"],
        "SIGN_IN": "1" if sign_in else "",
        "OWNER_TOKEN": operator_program.token(deployed.issuer_key, f"browser-{time.time_ns()}"),
    }
    os.execvp("npm", ["npm", "--prefix", str(FOLDER), "--silent", "run", script])
