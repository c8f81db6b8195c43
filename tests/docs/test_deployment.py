"""The files to self-host with do what they say: nobody is root, nothing is writable, no secret is in sight.

Nothing here starts a container or systemd. What can judge these files judges them where it is installed: hadolint,
`systemd-analyze`, Caddy.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.limits import Limits
from store.postgres.vitals import VERSION_MAX, VERSION_MIN
from tests.docs import deploy
from tests.docs.reference.words import SETTINGS
from tests.web.bus import Bus
from web.config import read_settings

EXPOSURE_MAX = 1.5
"""On systemd's scale from 0 (can touch nothing) to 10."""

SECRET = re.compile(r"SECRET|PASSWORD|TOKEN|KEY", re.IGNORECASE)
HARDENING = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "SystemCallArchitectures": "native",
}


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, check=False, text=True, timeout=300)


def installed(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if path is None:
        pytest.skip(f"{name} is not installed: the file is not judged by it on this machine")
    return path


def test_the_unit_has_a_user_of_its_own_and_reaches_little() -> None:
    said = dict(deploy.unit_entries("Service"))
    assert said["User"] == "llm-bus"
    assert said.items() >= HARDENING.items()


def test_the_unit_has_no_secret_on_its_command_line_or_in_sight() -> None:
    said = deploy.unit_entries("Service")
    assert [value for name, value in said if name == "EnvironmentFile"] == ["/etc/llm-bus/env"]
    assert [value for name, value in said if name == "ExecStart"] == ["/opt/llm-bus/bin/llm-bus serve"]
    assert [value for name, value in said if name == "Environment" and SECRET.search(value)] == []


def test_whatever_stops_it_waits_until_it_is_drained() -> None:
    said = dict(deploy.unit_entries("Service"))
    assert (said["Type"], said["KillSignal"]) == ("exec", "SIGTERM")
    assert int(said["TimeoutStopSec"]) > Limits().stop_seconds_max
    bus = compose()["services"]["bus"]
    assert int(bus["stop_grace_period"].removesuffix("s")) > Limits().stop_seconds_max
    assert "STOPSIGNAL SIGTERM" in deploy.DOCKERFILE.read_text("utf-8")


def test_systemd_understands_the_unit_and_finds_it_little_exposed(tmp_path: Path) -> None:
    judge = installed("systemd-analyze")
    unit = tmp_path / deploy.UNIT.name
    unit.write_text(deploy.UNIT.read_text("utf-8").replace("/opt/llm-bus/bin/llm-bus", sys.executable))
    verified = run(judge, "verify", unit)
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = run(judge, "security", "--offline=true", f"--threshold={round(EXPOSURE_MAX * 10)}", unit)
    assert judged.returncode == 0, judged.stdout


def test_the_image_is_not_root_and_holds_no_secret() -> None:
    last_stage = deploy.instructions()
    while any(one.word == "FROM" for one in last_stage[1:]):
        last_stage = last_stage[1:]
    (user,) = (one.rest for one in last_stage if one.word == "USER")
    assert all(int(number) > 0 for number in user.split(":"))
    named = [one.rest for one in deploy.instructions() if one.word in {"ENV", "ARG", "LABEL"}]
    assert [one for one in named if SECRET.search(one)] == []


def test_the_image_is_made_of_every_package_and_nothing_else() -> None:
    wanted = {"llm_bus", *deploy.setuptools()["package-dir"].values()}
    copied = [one.rest.split() for one in deploy.instructions() if one.word == "COPY" and "--from" not in one.rest]
    files = {"constraints.txt", "pyproject.toml", "README.md", "LICENSE"}
    assert {source for *sources, _ in copied for source in sources} == wanted | files
    ignored = (deploy.ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == wanted | files


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    judged = run(installed("hadolint"), deploy.DOCKERFILE)
    assert (judged.returncode, judged.stdout) == (0, "")


async def test_the_health_check_asks_whether_the_server_is_ready(bus: Bus) -> None:
    python, *arguments = deploy.health_check()
    assert python == "python"
    assert "/readyz" in arguments[-1]
    port = bus.url.rpartition(":")[2]

    async def check(at: str) -> int:
        done = await trio.run_process([sys.executable, *arguments], env={"PORT": at}, check=False, capture_stderr=True)
        return done.returncode

    assert await check(port) == 0
    assert await check("1") != 0


def compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="the extra 'docs' is not installed")
    read: dict[str, Any] = yaml.safe_load(deploy.COMPOSE.read_text("utf-8"))
    return read


def test_the_composed_bus_writes_nowhere_and_may_nothing() -> None:
    services = compose()["services"]
    bus = services["bus"]
    assert bus["read_only"] is True
    assert bus["cap_drop"] == ["ALL"]
    for service in services.values():
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert {name for name, service in services.items() if "ports" in service} == {"caddy"}
    assert bus["depends_on"]["db"] == {"condition": "service_healthy"}


def test_the_composed_bus_trusts_caddy_alone() -> None:
    services = compose()["services"]
    caddy = services["caddy"]["networks"]["edge"]["ipv4_address"]
    assert services["bus"]["environment"]["TRUSTED_PROXIES"] == caddy
    assert set(services["db"]["networks"]).isdisjoint(services["caddy"]["networks"])


def test_the_composed_postgres_is_one_that_is_tested() -> None:
    version = int(compose()["services"]["db"]["image"].partition(":")[2].partition("-")[0])
    assert VERSION_MIN <= version <= VERSION_MAX


def test_the_example_has_every_variable_and_no_secret() -> None:
    example = deploy.example_variables()
    assert set(example) == deploy.compose_variables()
    assert {name: value for name, value in example.items() if SECRET.search(name) and value} == {}
    environment = compose()["services"]["bus"]["environment"]
    assert set(environment) <= set(SETTINGS)
    read_settings({name: value for name, value in example.items() if name in SETTINGS})  # makes sense as it stands


@pytest.mark.parametrize("path", deploy.CADDYFILES, ids=lambda path: path.name)
def test_caddy_strips_what_clients_say_of_themselves_before_anything_else(path: Path) -> None:
    route = path.read_text("utf-8").partition("\troute {\n")[2]
    directives = [line.split() for line in route.splitlines() if re.match(r"\t\t[a-z]", line)]
    assert directives[0] == ["request_header", f"-{read_settings({}).admin_email_header.title()}"]
    assert directives[-1][0] == "reverse_proxy"


@pytest.mark.parametrize("path", deploy.CADDYFILES, ids=lambda path: path.name)
def test_caddy_understands_its_file(path: Path) -> None:
    caddy = installed("caddy")
    judged = run(caddy, "adapt", "--config", path, "--adapter", "caddyfile", "--validate")
    assert judged.returncode == 0, judged.stderr
    assert "formatted" not in judged.stderr
