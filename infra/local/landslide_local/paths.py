"""Where things lie in the checkout. Nothing is written outside it."""

import os
from pathlib import Path

LOCAL = Path(__file__).resolve().parent.parent
ROOT = LOCAL.parent.parent

STATE = Path(os.environ.get("LANDSLIDE_STATE") or LOCAL / ".state").resolve()
"""What runs now: pid, logs, temporary files, the issuer's key, the stack's outputs."""

STACK_FILE = STATE / "stack.json"
ISSUER_KEY = STATE / "issuer.pem"

TEMPLATE = ROOT / "template.yaml"
OPENAPI = ROOT / "infra" / "openapi.yaml"
PAGES = ROOT / "infra" / "pages.yaml"


def venv(name: str) -> Path:
    """The virtual environment made from NAME/NAME.lock."""
    return LOCAL / f".venv-{name}"


def venv_bin(name: str, program: str) -> Path:
    """A program of that environment."""
    return venv(name) / "bin" / program
