"""PostgreSQL for analytics on this machine: a primary and a replica that streams from it, in this checkout. No service of the
machine is touched, and what was stored is there again after the next start."""

import json
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from landslide_local import paths
from landslide_local.stages import Failure, say

FOLDER = paths.STATE / "postgres"
OLDEST = 15
"""The first major version whose views can be by the rights of who asks (security_invoker)."""
PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
NEEDED = ("initdb", "pg_ctl", "pg_basebackup", "psql", "postgres")
ADMIN = "landslide_admin"
ANALYST = "analyst"
DATABASE = "landslide"
SLOT = "replica"
START_SECONDS_MAX = 60

SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
fsync = off  # what a power cut breaks here can be synced again
wal_keep_size = 64MB
max_slot_wal_keep_size = 1GB
hot_standby_feedback = on
logging_collector = off
log_timezone = 'UTC'
timezone = 'UTC'
"""
UPSTREAM = """
primary_conninfo = 'host=127.0.0.1 port={port} user={user} password={password}'
primary_slot_name = '{slot}'
"""


@dataclass(frozen=True)
class Servers:
    """Ports and passwords, which are kept."""

    primary: int
    replica: int
    admin_password: str
    sync_password: str
    api_password: str
    analyst_password: str

    def environment(self) -> dict[str, str]:
        """Addresses, under the names that functions and the operator's program know them by."""
        return {
            "ANALYTICS_ADMIN_URL": self._url(ADMIN, self.admin_password, self.primary),
            "ANALYTICS_WRITE_URL": self._url("landslide_sync", self.sync_password, self.primary),
            "ANALYTICS_READ_URL": self._url("landslide_api", self.api_password, self.replica),
        }

    def parameters(self) -> dict[str, str]:
        """The same as parameters of the template."""
        addresses = self.environment()
        return {
            "AnalyticsWriteUrl": addresses["ANALYTICS_WRITE_URL"],
            "AnalyticsReadUrl": addresses["ANALYTICS_READ_URL"],
        }

    def for_psql(self) -> str:
        """An analyst's settings of psql and the like, on the replica, as a shell takes them."""
        values = {
            "PGHOST": "127.0.0.1",
            "PGPORT": self.replica,
            "PGUSER": ANALYST,
            "PGPASSWORD": self.analyst_password,
            "PGDATABASE": DATABASE,
        }
        return " ".join(["export", *(f"{name}={value}" for name, value in values.items())])

    def port(self, name: str) -> int:
        return {"primary": self.primary, "replica": self.replica}[name]

    @staticmethod
    def _url(role: str, password: str, port: int) -> str:
        return f"postgresql://{role}:{password}@127.0.0.1:{port}/{DATABASE}?sslmode=disable"


def start() -> Servers:
    """Starts what does not run of primary and replica, and makes what is not there."""
    programs = Programs.found()
    FOLDER.mkdir(parents=True, exist_ok=True)
    programs.own(FOLDER)
    servers = _servers(programs)
    if not (FOLDER / "primary" / "PG_VERSION").is_file():
        _make_primary(programs, servers)
    _run(programs, servers, "primary")
    _make_database(programs, servers)
    if not (FOLDER / "replica" / "PG_VERSION").is_file():
        _make_replica(programs, servers)
    _run(programs, servers, "replica")
    return servers


def make_analyst(servers: Servers) -> None:
    """Lets an analyst log in, once the schema with the roles is there."""
    programs = Programs.found()
    if _ask(programs, servers, f"SELECT count(*) FROM pg_roles WHERE rolname = '{ANALYST}'") == "0":
        _ask(programs, servers, f"CREATE ROLE {ANALYST} LOGIN PASSWORD '{servers.analyst_password}' IN ROLE landslide_analyst")


def stop() -> None:
    """Stops both; nothing to do is fine. What they store stays."""
    for name in ("replica", "primary"):
        if (FOLDER / name / "postmaster.pid").is_file():
            Programs.found().run("pg_ctl", "-D", str(FOLDER / name), "-m", "fast", "-w", "stop", check=False)
            say(f"stopped the {name} of PostgreSQL")


def kill(name: str) -> None:
    """Ends one as a crash does, with all its connections."""
    Programs.found().run("pg_ctl", "-D", str(FOLDER / name), "-m", "immediate", "-w", "stop")


def forget() -> None:
    """Stops both and removes what they store."""
    stop()
    shutil.rmtree(FOLDER, ignore_errors=True)


def is_up() -> bool:
    return (FOLDER / "primary" / "postmaster.pid").is_file()


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's own programs, and who runs them. As root they run as another user: they refuse root."""

    folder: Path
    user: str | None

    @classmethod
    def found(cls) -> "Programs":
        """The newest there is. Fails, and says how to get one, if none is new enough."""
        known = [folder for folder in _folders() if all((folder / name).is_file() for name in NEEDED)]
        usable = sorted((version, folder) for folder in known if (version := _version(folder)) >= OLDEST)
        if not usable:
            too_old = f" (too old: {', '.join(map(str, known))})" if known else ""
            raise Failure(
                f"No PostgreSQL >= {OLDEST} was found{too_old}. Install one (Debian: apt-get install postgresql), "
                "or put the folder of its initdb into PATH. No service of it has to run."
            )
        return cls(usable[-1][1], _unprivileged())

    def own(self, folder: Path) -> None:
        """Leaves a folder to the user who runs the programs. Fails if that one can't get there."""
        if self.user is None:
            return
        owner = pwd.getpwnam(self.user)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        if subprocess.run(["test", "-w", folder], **self._as_user(), check=False).returncode != 0:
            raise Failure(
                f"PostgreSQL does not run as root, and the user {self.user} can't enter {folder}. "
                "Use the checkout as an ordinary user, or put it where others can enter."
            )

    def run(self, name: str, *arguments: str, check: bool = True, **further: Any) -> subprocess.CompletedProcess[str]:
        command = [str(self.folder / name), *arguments]
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", **further.pop("environment", {})}
        done = subprocess.run(
            command, env=environment, cwd="/", text=True, capture_output=True, check=False, **self._as_user(), **further
        )
        if check and done.returncode != 0:
            raise Failure(f"{done.stdout}{done.stderr}\n{name} failed; what PostgreSQL says is above, and in {FOLDER}/*.log")
        return done

    def write(self, file: Path, text: str) -> None:
        """Writes a file that only the user who runs the programs can read."""
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(text)
        if self.user is not None:
            shutil.chown(file, self.user)

    def _as_user(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        owner = pwd.getpwnam(self.user)
        return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def _folders() -> list[Path]:
    in_path = shutil.which("initdb")
    found = [Path(in_path).resolve().parent] if in_path else []
    for pattern in PLACES:
        found += sorted(Path("/").glob(pattern.removeprefix("/")))
    return found


def _version(folder: Path) -> int:
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"\) (\d+)", said)
    return int(number[1]) if number else 0


def _unprivileged() -> str | None:
    """None if this does not run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise Failure("PostgreSQL does not run as root, and there is no user postgres or nobody that it could run as.")


def _servers(programs: Programs) -> Servers:
    """Those that were kept, on other ports if theirs are taken by now."""
    file = FOLDER / "servers.json"
    try:
        servers = Servers(**json.loads(file.read_text()))
    except FileNotFoundError:
        new = [secrets.token_hex(16) for _ in range(4)]
        servers = Servers(_free_port(), _free_port(), *new)
    ports = {
        name: servers.port(name) if _runs(programs, name) or _is_free(servers.port(name)) else _free_port()
        for name in ("primary", "replica")
    }
    servers = Servers(**{**asdict(servers), **ports})
    file.touch(mode=0o600)
    file.write_text(json.dumps(asdict(servers)))
    return servers


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _runs(programs: Programs, name: str) -> bool:
    return programs.run("pg_ctl", "-D", str(FOLDER / name), "status", check=False).returncode == 0


def _run(programs: Programs, servers: Servers, name: str) -> None:
    data = FOLDER / name
    if _runs(programs, name):
        return
    settings = SETTINGS.format(port=servers.port(name))
    if name == "replica":
        settings += UPSTREAM.format(port=servers.primary, user=ADMIN, password=servers.admin_password, slot=SLOT)
    programs.write(data / "landslide.conf", settings)
    log = FOLDER / f"{name}.log"
    programs.run("pg_ctl", "-D", str(data), "-l", str(log), "-w", "-t", str(START_SECONDS_MAX), "-s", "start")


def certify() -> Path:
    """Gives a primary that does not run yet a certificate of its own, which it uses from its next start on; where it is."""
    data, key = FOLDER / "primary", FOLDER / "primary" / "server.key"
    programs = Programs.found()
    certificate = FOLDER / "server.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
    try:
        subprocess.run([*command, "-keyout", FOLDER / "server.key", "-out", certificate], capture_output=True, check=True)
    except FileNotFoundError:
        raise Failure("No openssl was found. Install it (Debian: apt-get install openssl).") from None
    programs.write(key, (FOLDER / "server.key").read_text())
    programs.write(data / "server.crt", certificate.read_text())
    settings = data / "postgresql.conf"
    programs.write(settings, settings.read_text() + "\nssl = on\n")
    return certificate


def _make_primary(programs: Programs, servers: Servers) -> None:
    data, password = FOLDER / "primary", FOLDER / "password"
    shutil.rmtree(data, ignore_errors=True)  # one that was cut short
    programs.write(password, servers.admin_password)
    programs.run(
        *("initdb", "-D", str(data), "--username", ADMIN, "--pwfile", str(password)),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"),
    )
    password.unlink()
    settings = data / "postgresql.conf"
    programs.write(settings, settings.read_text() + "\ninclude 'landslide.conf'\n")


def _make_replica(programs: Programs, servers: Servers) -> None:
    data = FOLDER / "replica"
    shutil.rmtree(data, ignore_errors=True)
    slots = _ask(programs, servers, f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{SLOT}'")
    make_slot = [] if slots == "1" else ["--create-slot"]
    programs.run(
        *("pg_basebackup", "-D", str(data), "-h", "127.0.0.1", "-p", str(servers.primary), "-U", ADMIN),
        *("-X", "stream", "--slot", SLOT, *make_slot, "--checkpoint=fast", "--no-sync", "--no-password"),
        environment={"PGPASSWORD": servers.admin_password},
    )
    programs.write(data / "standby.signal", "")


def _make_database(programs: Programs, servers: Servers) -> None:
    if _ask(programs, servers, f"SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'") == "0":
        _ask(programs, servers, f"CREATE DATABASE {DATABASE}")


def _ask(programs: Programs, servers: Servers, statement: str) -> str:
    done = programs.run(
        *("psql", "-h", "127.0.0.1", "-p", str(servers.primary), "-U", ADMIN, "-d", "postgres"),
        *("-v", "ON_ERROR_STOP=1", "-XAtq", "-c", statement),
        environment={"PGPASSWORD": servers.admin_password},
    )
    return done.stdout.strip()
