"""The verbs behind the Makefile: `infra/local/run VERB …`."""

import argparse
import os
import shlex
import subprocess
import sys
from functools import partial
from typing import Any

from landslide_local import build, clouds, paths, venvs
from landslide_local.stages import Failure, say, stage

# Modules that import boto3 are imported where they are needed: these verbs run before it is installed.
WITHOUT_BOTO3 = {
    "venvs",
    "pythons",
    "down",
    "url",
    "token",
    "test",
    "test-cache",
    "figures",
    "analytics",
    "postgres",
    "test-analytics",
}

UP = "creates or updates the stack, with tables that are not protected against deletion"
VOTES = "makes a poll and casts votes in it"
CHANGES = {
    "audit": "repairs what is counted of a poll",
    "replay": "hands the relay once more what lies in the failure bucket",
    "redrive": "returns the dead letters to the counting",
    "tenant": "sets limits of a tenant",
    "jobs": "makes a poll's counts final",
}
"""What commands do to a stack, for the question whether that is meant."""
ROLLED_BACK = "rolled back"
"""In the place of a stack's fingerprint: the next `make up` deploys."""


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.verb not in WITHOUT_BOTO3:
        _continue_in_sam_environment()
    arguments.run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="infra/local/run", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    consent = argparse.ArgumentParser(add_help=False)
    consent.add_argument("--yes", action="store_true", help="change a stack on AWS without asking for its name")
    cloud = argparse.ArgumentParser(add_help=False, parents=[consent])
    cloud.add_argument("--cloud", default="ministack")
    cloud.add_argument("--port", type=int, default=4566)
    cloud.add_argument("--stack", default="landslide")
    cloud.add_argument("--parameters", default="", help="Key=Value pairs of the template")
    cloud.add_argument("--analytics", action="store_true", help="with PostgreSQL, and what syncs to it and reads from it")
    cloud.add_argument("--cache", action="store_true", help="with a Valkey in which processes share results")
    cloud.add_argument("--sign-in", action="store_true", help="with an OpenID Provider at which people sign in on the page")
    arch = argparse.ArgumentParser(add_help=False)
    arch.add_argument("--arch", choices=["arm64", "x86_64"], required=True)

    verb = verbs.add_parser("venvs", help="install the named virtual environments")
    verb.add_argument("names", nargs="+")
    verb.set_defaults(run=lambda a: venvs.ensure(a.names))
    verb = verbs.add_parser("pythons", help="fail where the named environments' Python is missing")
    verb.add_argument("names", nargs="+")
    verb.set_defaults(run=lambda a: venvs.require_interpreters(a.names))
    verbs.add_parser("up", parents=[cloud]).set_defaults(run=_up)
    verbs.add_parser("down").set_defaults(run=_down)
    verbs.add_parser("url").set_defaults(run=_url)
    verb = verbs.add_parser("token")
    verb.add_argument("--sub", required=True)
    verb.add_argument("--organisation")
    verb.add_argument("--role")
    verb.add_argument("--claims", metavar="JSON")
    verb.set_defaults(run=_token)
    verb = verbs.add_parser("demo", parents=[consent], help="run the demo election; what follows -- goes to `landslide demo`")
    verb.add_argument("arguments", nargs="*")
    verb.set_defaults(run=_demo)
    for name in ["audit", "replay", "redrive", "tenant", "jobs", "audit-log"]:
        verb = verbs.add_parser(name, parents=[consent], help=f"what follows -- goes to `landslide {name}`")
        verb.add_argument("arguments", nargs="*")
        verb.set_defaults(run=_operate)
    verb = verbs.add_parser("analytics", help="what follows -- goes to `landslide analytics`")
    verb.add_argument("arguments", nargs="*")
    verb.set_defaults(run=_analytics)
    verb = verbs.add_parser("postgres", help="start both servers, stop them, end one as a crash does, or an analyst's settings")
    verb.add_argument("action", choices=["start", "stop", "kill", "psql"])
    verb.add_argument("name", nargs="?", choices=["primary", "replica"])
    verb.set_defaults(run=_postgres)
    verb = verbs.add_parser("test-analytics", help="what follows -- goes to the test program")
    verb.add_argument("arguments", nargs="*")
    verb.set_defaults(run=_test_analytics)
    verb = verbs.add_parser("load", parents=[consent], help="what follows -- goes to `landslide-load`")
    verb.add_argument("arguments", nargs="*")
    verb.set_defaults(run=_load)
    verb = verbs.add_parser("noisy", parents=[consent], help="what follows -- goes to `landslide-noisy`")
    verb.add_argument("arguments", nargs="*")
    verb.set_defaults(run=_noisy)
    verb = verbs.add_parser("test-it", parents=[cloud], help="what follows -- goes to the test program")
    verb.add_argument("arguments", nargs="*")
    verb.add_argument("--again", action="store_true", help="run once more what failed, alone; say so")
    verb.set_defaults(run=_test_it)
    verb = verbs.add_parser("test-api", parents=[cloud], help="schemathesis over the running API")
    verb.add_argument("--cases", type=int, required=True, help="random requests an operation, phase and caller")
    verb.add_argument("--seed", type=int, required=True)
    verb.set_defaults(run=_test_api)
    verb = verbs.add_parser("browser", parents=[cloud], help="a script of tests/browser over the stack")
    verb.add_argument("script", choices=["test", "lighthouse", "screenshots"])
    verb.set_defaults(run=_browser)
    verb = verbs.add_parser("test", help="the two above on each of these clouds")
    verb.add_argument("clouds", nargs="+")
    verb.set_defaults(run=_test)
    verb = verbs.add_parser("test-cache", help="what follows -- is run with the addresses of Valkey and Redis")
    verb.add_argument("command", nargs="+")
    verb.set_defaults(run=_test_cache)
    verb = verbs.add_parser("figures", help="run these commands and write what they print into docs/figures.md")
    verb.add_argument("names", nargs="+")
    verb.set_defaults(run=_figures)
    verb = verbs.add_parser("logs", parents=[cloud])
    verb.add_argument("--function", required=True)
    verb.add_argument("--minutes", type=int, default=60)
    verb.add_argument("--filter", default="")
    verb.set_defaults(run=_logs)
    verbs.add_parser("package", parents=[arch]).set_defaults(run=_package)
    verbs.add_parser("size", parents=[arch]).set_defaults(run=_size)
    wanted = argparse.ArgumentParser(add_help=False, parents=[arch])
    wanted.add_argument("--stack", default="landslide")
    wanted.add_argument("--issuers", default="")
    wanted.add_argument("--parameters", default="", help="further Key=Value pairs of the template")
    verbs.add_parser("preflight", parents=[wanted]).set_defaults(run=_preflight)
    verbs.add_parser("deploy", parents=[wanted, consent]).set_defaults(run=_deploy)
    verb = verbs.add_parser("rollback", parents=[consent], help="of the local cloud that runs, else of AWS")
    verb.add_argument("--stack", default="landslide")
    verb.add_argument("--release", default="", help="the release before the last deploy, if none is named")
    verb.set_defaults(run=_rollback)
    return parser


def _continue_in_sam_environment() -> None:
    """Starts this program again where boto3 and the SAM CLI are, unless it runs there already."""
    venvs.ensure(["sam"])
    python = paths.venv_bin("sam", "python")
    if sys.prefix != str(paths.venv("sam")):
        os.execv(python, [str(python), "-m", "landslide_local", *sys.argv[1:]])


def _up(arguments: argparse.Namespace) -> None:
    from landslide_local import welcome

    welcome.show(_bring_up(arguments), sign_in=arguments.sign_in)


def _bring_up(arguments: argparse.Namespace) -> "stack.Stack":  # noqa: F821
    from landslide_local import sign_in, stack

    cloud = clouds.choose(arguments.cloud, arguments.port)
    _confirm_on_aws(cloud.endpoint_url, arguments.stack, cloud.region, UP, arguments.yes)
    venvs.require_interpreters(cloud.venvs)  # before minutes go into what else it needs
    cloud.install()
    venvs.ensure([*cloud.venvs, "sam", *(["valkey"] if arguments.cache else [])])
    architecture = cloud.build()
    given = _pairs(arguments.parameters)
    if arguments.analytics:
        given = {**_start_analytics(), **given}
    if arguments.cache:
        given = {**_start_cache(arguments.cloud), **given}
    if not arguments.sign_in:
        return stack.bring_up(cloud, arguments.stack, architecture, given)
    port, of_provider = _prepare_sign_in(arguments.cloud)
    deployed = stack.bring_up(cloud, arguments.stack, architecture, {**of_provider, **given})
    sign_in.start(port, deployed.outputs["SignInUrl"])  # which the deploy alone knows
    return deployed


def _start_analytics() -> dict[str, str]:
    """Starts PostgreSQL with the schema of now; the template's parameters that lead to it."""
    from landslide_local import operator_program, postgres

    with stage("start PostgreSQL"):
        servers = postgres.start()
        operator_program.migrate(servers.environment())
        postgres.make_analyst(servers)
    return servers.parameters()


def _start_cache(cloud: str) -> dict[str, str]:
    """Starts a Valkey; the template's parameters that lead to it."""
    from landslide_local import clients, valkey

    if cloud == clients.EXTERNAL:
        raise Failure("CACHE=1 starts a Valkey for a cloud of this machine. On AWS deploy infra/cache.yaml (docs/cache.md).")
    return valkey.start()


def _prepare_sign_in(cloud: str) -> tuple[int, dict[str, str]]:
    """An OpenID Provider's port, and the template's parameters for it."""
    from landslide_local import clients, sign_in

    if cloud == clients.EXTERNAL:
        raise Failure("SIGN_IN=1 starts an OpenID Provider for a cloud of this machine. On AWS see docs/pages.md, Signing in.")
    return sign_in.parameters()


def _down(_: argparse.Namespace) -> None:
    from landslide_local import postgres, sign_in, valkey

    clouds.stop()
    postgres.stop()
    valkey.stop()
    sign_in.stop()


def _confirm_on_aws(endpoint_url: str | None, stack: str, region: str, change: str, yes: bool) -> None:
    """Asks nothing about a cloud that an endpoint leads to."""
    if endpoint_url is None:
        from landslide_local import account

        account.confirm(stack, change, region=region, yes=yes)


def _confirm_running(deployed: dict[str, Any], change: str, yes: bool) -> None:
    _confirm_on_aws(deployed["endpoint_url"], deployed["stack"], deployed["region"], change, yes)


def _url(_: argparse.Namespace) -> None:
    from landslide_local import stackfile

    print(stackfile.read()["api_url"])


def _token(arguments: argparse.Namespace) -> None:
    from landslide_local import operator_program, stackfile

    key, claims = stackfile.read()["issuer_key"], arguments.claims
    print(operator_program.token(key, arguments.sub, arguments.organisation, arguments.role, claims))


def _demo(arguments: argparse.Namespace) -> None:
    from landslide_local import operator_program, stackfile

    deployed = stackfile.read()
    _confirm_running(deployed, VOTES, arguments.yes)
    os.environ["LANDSLIDE_TOKEN"] = operator_program.token(deployed["issuer_key"], "demo")
    operator_program.become(["demo", "--url", deployed["api_url"], *arguments.arguments])


def _changes(arguments: argparse.Namespace) -> str | None:
    """What a command of the operator changes, if it changes anything."""
    asked = arguments.arguments
    only_reads = {
        "audit": "--repair" not in asked,
        "tenant": asked[:1] != ["set"],
        "jobs": asked[:1] != ["retry"],
        "audit-log": True,
    }
    return None if only_reads.get(arguments.verb) else CHANGES[arguments.verb]


def _operate(arguments: argparse.Namespace) -> None:
    from landslide_local import operator_program, stackfile

    deployed = stackfile.read()
    if changes := _changes(arguments):
        _confirm_running(deployed, changes, arguments.yes)
        arguments.arguments.append("--yes")  # the program itself would ask again
    os.environ |= operator_program.environment(deployed)
    operator_program.become([arguments.verb, *arguments.arguments])


def _analytics(arguments: argparse.Namespace) -> None:
    """Over the servers of this checkout if they run, else over those in the environment."""
    from landslide_local import operator_program, postgres

    if postgres.is_up():
        os.environ |= postgres.start().environment()
    operator_program.become(["analytics", *arguments.arguments])


def _postgres(arguments: argparse.Namespace) -> None:
    from landslide_local import postgres

    match arguments.action, arguments.name:
        case "start", None:
            postgres.start()
        case "stop", None:
            postgres.stop()
        case "psql", None if postgres.is_up():
            print(postgres.start().for_psql())
        case "psql", None:
            raise Failure("PostgreSQL is not up. First: make up ANALYTICS=1")
        case "kill", str(name):
            postgres.kill(name)
        case _:
            raise Failure("It is `start`, `stop`, `psql`, or `kill` and a name.")


def _test_analytics(arguments: argparse.Namespace) -> None:
    from landslide_local import postgres

    postgres.forget()  # what a run that was cut short has left
    with stage("start PostgreSQL"):
        postgres.start()
        certificate = postgres.certify()
        postgres.stop()
        servers = postgres.start()
    os.environ |= {**servers.environment(), "ANALYTICS_CA": str(certificate)}
    try:
        command = ["cargo", "test", "--profile", build.PROFILE, "--package", "landslide-analytics-tests", "--"]
        if subprocess.run([*command, *arguments.arguments], cwd=paths.ROOT, check=False).returncode != 0:
            raise Failure("tests of analytics failed")
    finally:
        postgres.forget()


def _load(arguments: argparse.Namespace) -> None:
    from landslide_local import load, stackfile

    deployed = stackfile.read()
    _confirm_running(deployed, VOTES, arguments.yes)
    load.run(deployed, arguments.arguments)


def _noisy(arguments: argparse.Namespace) -> None:
    from landslide_local import load, stackfile

    deployed = stackfile.read()
    _confirm_running(deployed, VOTES, arguments.yes)
    load.run_noisy(deployed, arguments.arguments)


def _test_it(arguments: argparse.Namespace) -> None:
    from landslide_local import integration

    deployed = _bring_up(arguments)
    if not arguments.arguments:  # a test that is named is wanted alone
        venvs.test_package(arguments.cloud)
    os.environ |= deployed.environment()
    os.environ.setdefault("RUST_TEST_THREADS", str(clouds.choose(arguments.cloud, arguments.port).tests_at_once))
    integration.run(arguments.arguments, arguments.again)


def _test_api(arguments: argparse.Namespace) -> None:
    from landslide_local import api_tests

    api_tests.run(_bring_up(arguments), arguments.cases, arguments.seed)


def _browser(arguments: argparse.Namespace) -> None:
    from landslide_local import browser

    browser.program()  # before minutes go into the stack
    browser.become(_bring_up(arguments), arguments.script, sign_in=arguments.sign_in)


def _test(arguments: argparse.Namespace) -> None:
    from landslide_local import suites

    suites.run(arguments.clouds)


def _test_cache(arguments: argparse.Namespace) -> None:
    from landslide_local import valkey

    os.environ |= valkey.servers()
    os.execvp(arguments.command[0], arguments.command)


def _figures(arguments: argparse.Namespace) -> None:
    from landslide_local import figures

    figures.write(arguments.names)


def _logs(arguments: argparse.Namespace) -> None:
    from landslide_local import logs

    logs.show(arguments.stack, arguments.function, arguments.minutes, arguments.filter)


def _package(arguments: argparse.Namespace) -> None:
    from landslide_local import packages

    packages.make(arguments.arch)


def _size(arguments: argparse.Namespace) -> None:
    from landslide_local import packages

    packages.show_sizes(packages.make(arguments.arch))


def _preflight(arguments: argparse.Namespace) -> None:
    from landslide_local import account, deployment

    deployment.preflight(account.of_caller(account.region()), arguments.stack, _parameters(arguments))


def _deploy(arguments: argparse.Namespace) -> None:
    from landslide_local import account, deployment, packages

    _preflight(arguments)
    target = account.confirm(arguments.stack, "creates or updates the stack", region=account.region(), yes=arguments.yes)
    deployment.prepare(target, arguments.stack)
    packages.make(arguments.arch)
    deployment.deploy(target, arguments.stack, _parameters(arguments))


def _rollback(arguments: argparse.Namespace) -> None:
    import boto3

    from landslide_local import account, clients, releases, stackfile

    change = (
        f"leads all calls to the functions of {f'release {arguments.release}' if arguments.release else 'the release before'}"
    )
    deployed = stackfile.read_if_there()
    if deployed is None:
        session = account.confirm(arguments.stack, change, region=account.region(), yes=arguments.yes).session()
        consent = partial(account.ask, arguments.stack, yes=arguments.yes)
        releases.roll_back(session, arguments.stack, arguments.release, consent)
        return
    _confirm_running(deployed, change, arguments.yes)
    os.environ |= clients.environment(deployed["cloud"], deployed["endpoint_url"])
    session = boto3.Session(region_name=deployed["region"])
    consent = partial(account.ask, deployed["stack"], yes=arguments.yes or deployed["endpoint_url"] is not None)
    releases.roll_back(session, deployed["stack"], arguments.release, consent)
    stackfile.write(deployed | {"fingerprint": ROLLED_BACK})


def _parameters(arguments: argparse.Namespace) -> dict[str, str]:
    """Parameters of the template, as they were given."""
    parameters = {"Architecture": arguments.arch}
    if arguments.issuers:
        parameters["Issuers"] = arguments.issuers
    return parameters | _pairs(arguments.parameters)


def _pairs(text: str) -> dict[str, str]:
    """Values may be quoted as in a shell: a certificate has spaces."""
    pairs = shlex.split(text)
    if bad := [pair for pair in pairs if "=" not in pair]:
        raise Failure(f"PARAMETERS has {bad[0]!r}, which is no Key=Value")
    return dict(pair.split("=", 1) for pair in pairs)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        say(f"\n{failure}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
