"""The settings of one server, and the only module that reads the environment.

Names are those of the environment variables, lower-cased; command line flags go before the environment. Nothing here
opens, resolves or creates anything: a `Settings` is a promise that the words make sense, no more.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

import msgspec
import platformdirs
from msgspec import Struct

from web.errors import ConfigurationError
from web.hosts import host_name

LogFormat = Literal["text", "json"]

PORT_MAX = 65_535
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


class Settings(Struct, frozen=True, kw_only=True):
    """How one server runs. `port` 0 lets the system choose; `public_url` has no slash at its end."""

    database_url: str | None = None
    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8787
    public_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    log_format: LogFormat = "text"

    @property
    def local_url(self) -> str:
        """Where a server with these settings is reached from this machine, whatever its `public_url`."""
        return _url("127.0.0.1" if self.host in _EVERYWHERE else self.host, self.port)

    @property
    def known_url(self) -> str:
        """Where clients reach a server with these settings."""
        return self.public_url or self.local_url

    @property
    def listening_url(self) -> str:
        """The address it listens on, as a URL."""
        return _url(self.host, self.port)

    def bound_to(self, port: int) -> "Settings":
        """These settings once the listening port is known: `port` is it, and `public_url` is there."""
        bound = msgspec.structs.replace(self, port=port)
        return msgspec.structs.replace(bound, public_url=bound.known_url)


def read_settings(environ: Mapping[str, str] = os.environ, /, **flags: str | int | Path | None) -> Settings:
    """The settings that `flags` (by field name; None: not given) and then `environ` ask for.

    Raises `ConfigurationError` with a sentence that names the variable.
    """

    def given(name: str, variable: str | None = None) -> str | None:
        flag = flags.get(name)
        return str(flag) if flag is not None else environ.get(variable or name.upper(), "").strip() or None

    return Settings(
        database_url=given("database_url"),
        data_dir=Path(given("data_dir", "LLM_BUS_DATA_DIR") or platformdirs.user_data_dir("llm-bus")),
        host=given("host") or "127.0.0.1",
        port=_port(given("port") or "8787"),
        public_url=_public_url(given("public_url")),
        allowed_hosts=_allowed_hosts(given("allowed_hosts") or ""),
        log_format=_log_format(given("log_format") or "text"),
    )


def read_token(environ: Mapping[str, str] = os.environ) -> str | None:
    """The token that this process was given to act as a participant; never a flag, which others could see."""
    return environ.get("LLM_BUS_TOKEN", "").strip() or None


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > PORT_MAX:
        raise ConfigurationError(f"PORT is '{text}'; it must be a number from 0 to {PORT_MAX}.")
    return int(text)


def _public_url(text: str | None) -> str | None:
    if text is None:
        return None
    if "@" in text:
        raise ConfigurationError("PUBLIC_URL holds credentials, which everybody would see; leave them out.")
    try:
        parts = urlsplit(text)
        proper = parts.scheme in ("http", "https") and host_name(parts.netloc) and not (parts.query or parts.fragment)
    except ValueError:
        proper = False
    if not proper or any(character.isspace() for character in text):
        raise ConfigurationError(f"PUBLIC_URL is '{text}'; it must look like https://bus.example.com.")
    if parts.path.strip("/"):
        raise ConfigurationError(
            f"PUBLIC_URL is '{text}'; it must end after the host and port, because paths such as /mcp are added to it."
        )
    return text.rstrip("/")


def _allowed_hosts(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    if any(host_name(name) is None or "*" in name for name in names):  # it would allow nobody, without a word
        raise ConfigurationError(
            f"ALLOWED_HOSTS is '{text}'; it must be names like bus.example.com, without wildcards."
        )
    return names


def _log_format(text: str) -> LogFormat:
    if text not in ("text", "json"):
        raise ConfigurationError(f"LOG_FORMAT is '{text}'; it must be 'text' or 'json'.")
    return cast("LogFormat", text)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
