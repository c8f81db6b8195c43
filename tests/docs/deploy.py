"""The files to self-host with, read: a systemd unit, a Dockerfile, a compose file, an example environment."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from msgspec import Struct

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "docs" / "deploy" / "llm-bus.service"
CADDYFILES = (ROOT / "docs" / "deploy" / "Caddyfile", ROOT / "docs" / "deploy" / "Caddyfile.header")
NGINX = ROOT / "docs" / "deploy" / "nginx.conf"
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "compose.yaml"
EXAMPLE = ROOT / ".env.example"


class Instruction(Struct, frozen=True):
    """One instruction of a Dockerfile."""

    word: str
    rest: str


def setuptools() -> dict[str, Any]:
    """What an installation is made of, as pyproject.toml says it."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        said: dict[str, Any] = tomllib.load(file)["tool"]["setuptools"]
    return said


def unit_entries(section: str) -> list[tuple[str, str]]:
    """What a section of the unit says, in order; names may repeat."""
    part = UNIT.read_text("utf-8").partition(f"[{section}]\n")[2].partition("\n[")[0]
    lines = [line for line in part.splitlines() if line and not line.startswith("#")]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def instructions() -> list[Instruction]:
    """The instructions of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE))
    return [Instruction(*line.split(maxsplit=1)) for line in text.splitlines() if line]


def health_check() -> list[str]:
    """The command by which a container finds out whether it is well."""
    (check,) = (one.rest for one in instructions() if one.word == "HEALTHCHECK")
    command: list[str] = json.loads(check.partition(" CMD ")[2])
    return command


def example_variables() -> dict[str, str]:
    """The variables of the example, with the values that stand there."""
    lines = [line for line in EXAMPLE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def compose_variables() -> set[str]:
    """The variables that the compose file asks for."""
    return set(re.findall(r"\$\{(\w+)", COMPOSE.read_text("utf-8")))
