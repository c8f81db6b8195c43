"""The settings of one server, and the only module that reads the environment.

Names are those of the environment variables, lower-cased; command line flags go before the environment. A secret may
be in a file that a variable names (`DATABASE_URL_FILE`); nothing else is opened, resolved or created here: a `Settings`
is a promise that the words make sense, no more.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from os.path import expanduser
from pathlib import Path
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

import msgspec
import platformdirs
from msgspec import Struct

from store.embedded.disk import RESERVE_BYTES, Disk
from store.people.bounds import Quotas
from store.postgres.passwords import is_conninfo
from web.errors import ConfigurationError
from web.http.hosts import host_name

LogFormat = Literal["text", "json"]
AdminAuth = Literal["link", "header", "oauth"]
Network = IPv4Network | IPv6Network
SignUp = Literal["closed", "open"] | tuple[str, ...]
"""Who may become an owner by signing in: nobody, anybody, or people with an email in one of these domains."""

PORT_MAX = 65_535
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
"""RFC 9110 §5.1."""

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


_NUMBERS = {
    "audit_days": 365,
    "keep_alive_seconds": 75,
    "calls_per_second": 100,
    "written_bytes_per_day": 1_000_000_000,
    "projects_per_owner": Quotas().projects,
    "participants_per_owner": Quotas().participants,
    "tokens_per_owner": Quotas().tokens,
    "invites_per_owner": Quotas().invites,
}
"""Settings that are numbers, with their defaults."""


class Client(Struct, frozen=True, kw_only=True):
    """What a provider of identities knows this server by. `secret` is one, and never shown."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Client(id={self.id!r})"


HOST = "127.0.0.1"
PORT = 8787
"""Where a server listens unless it is told otherwise."""


class Settings(Struct, frozen=True, kw_only=True):
    """How one server runs. `port` 0 lets the system choose; the URLs that are bases have no slash at their end.

    `google`, `github` and `oidc` are this server at those providers; None: nobody signs in there.
    """

    database_url: str | None = None
    data_dir: Path
    disk_reserve_mib: int = RESERVE_BYTES >> 20
    host: str = HOST
    port: int = PORT
    public_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    log_format: LogFormat = "text"
    public_stats: bool = False
    otel_exporter_otlp_endpoint: str | None = None
    admin_auth: AdminAuth = "link"
    admin_email_header: str = "x-auth-request-email"
    trusted_proxies: tuple[Network, ...] = LOOPBACK
    signup: SignUp = "closed"
    google: Client | None = None
    github: Client | None = None
    oidc: Client | None = None
    oidc_discovery_url: str | None = None
    oauth_redirect_base: str | None = None
    allowed_origins: tuple[str, ...] = ()
    webhook_private_addresses: bool = False
    audit_days: int = _NUMBERS["audit_days"]
    keep_alive_seconds: int = _NUMBERS["keep_alive_seconds"]
    calls_per_second: int = _NUMBERS["calls_per_second"]
    written_bytes_per_day: int = _NUMBERS["written_bytes_per_day"]
    projects_per_owner: int = _NUMBERS["projects_per_owner"]
    participants_per_owner: int = _NUMBERS["participants_per_owner"]
    tokens_per_owner: int = _NUMBERS["tokens_per_owner"]
    invites_per_owner: int = _NUMBERS["invites_per_owner"]

    @property
    def quotas(self) -> Quotas:
        """What each owner may have; 0 is no bound."""
        return Quotas(
            projects=self.projects_per_owner,
            participants=self.participants_per_owner,
            tokens=self.tokens_per_owner,
            invites=self.invites_per_owner,
        )

    @property
    def disk(self) -> Disk | None:
        """The disk of the embedded database; None when a database was given."""
        return None if self.database_url is not None else Disk(self.data_dir, self.disk_reserve_mib << 20)

    @property
    def local_host(self) -> str:
        """What the host is called on this machine."""
        return HOST if self.host in _EVERYWHERE else self.host

    @property
    def local_url(self) -> str:
        """Where a server with these settings is reached from this machine, whatever its `public_url`."""
        return _url(self.local_host, self.port)

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


def user_data_dir() -> Path:
    """Where the embedded PostgreSQL keeps its data unless told otherwise."""
    return Path(platformdirs.user_data_dir("llm-bus"))


def read_settings(environ: Mapping[str, str] = os.environ, /, **flags: str | int | Path | None) -> Settings:
    """The settings that `flags` (by field name; None: not given) and then `environ` ask for.

    Raises `ConfigurationError` with a sentence that names the variable.
    """

    def given(name: str, variable: str | None = None) -> str | None:
        flag = flags.get(name)
        return str(flag) if flag is not None else environ.get(variable or name.upper(), "").strip() or None

    settings = Settings(
        database_url=_database_url(
            str(flags["database_url"]) if flags.get("database_url") else _secret(environ, "DATABASE_URL")
        ),
        data_dir=Path(expanduser(given("data_dir", "LLM_BUS_DATA_DIR") or user_data_dir())),
        disk_reserve_mib=_natural("DISK_RESERVE_MIB", given("disk_reserve_mib") or str(RESERVE_BYTES >> 20)),
        host=_host(given("host") or HOST),
        port=_port(given("port") or str(PORT)),
        public_url=_base_if_given("PUBLIC_URL", given("public_url")),
        allowed_hosts=_allowed_hosts(given("allowed_hosts") or ""),
        log_format=cast("LogFormat", _one_of("LOG_FORMAT", given("log_format") or "text", get_args(LogFormat))),
        public_stats=_one_of("PUBLIC_STATS", given("public_stats") or "0", ("0", "1")) == "1",
        otel_exporter_otlp_endpoint=_base_if_given("OTEL_EXPORTER_OTLP_ENDPOINT", given("otel_exporter_otlp_endpoint")),
        admin_auth=cast("AdminAuth", _one_of("ADMIN_AUTH", given("admin_auth") or "link", get_args(AdminAuth))),
        admin_email_header=_header_name(given("admin_email_header") or "x-auth-request-email"),
        trusted_proxies=_networks(given("trusted_proxies")),
        signup=_signup(given("signup") or "closed"),
        google=_client("GOOGLE", given("google_client_id"), _secret(environ, "GOOGLE_CLIENT_SECRET")),
        github=_client("GITHUB", given("github_client_id"), _secret(environ, "GITHUB_CLIENT_SECRET")),
        oidc=_client("OIDC", given("oidc_client_id"), _secret(environ, "OIDC_CLIENT_SECRET")),
        oidc_discovery_url=_discovery_url(given("oidc_discovery_url")),
        oauth_redirect_base=_base_if_given("OAUTH_REDIRECT_BASE", given("oauth_redirect_base")),
        allowed_origins=_origins(given("allowed_origins") or ""),
        webhook_private_addresses=_one_of(
            "WEBHOOK_PRIVATE_ADDRESSES", given("webhook_private_addresses") or "0", ("0", "1")
        )
        == "1",
        **{name: _natural(name.upper(), given(name) or str(default)) for name, default in _NUMBERS.items()},
    )
    _check_providers(settings)
    return settings


def read_token(environ: Mapping[str, str] = os.environ) -> str | None:
    """The token that this process was given to act as a participant; never a flag, which others could see."""
    return _secret(environ, "LLM_BUS_TOKEN")


def read_legacy_database_url(environ: Mapping[str, str] = os.environ) -> str | None:
    """The database of the TypeScript server to move from."""
    return _secret(environ, "LEGACY_DATABASE_URL")


def read_bus_url(environ: Mapping[str, str] = os.environ) -> str:
    """The bus that this process is a client of: `LLM_BUS_URL`, or one on this machine with these settings.

    Raises `ConfigurationError`, as `read_settings` does.
    """
    given = environ.get("LLM_BUS_URL", "").strip()
    return bus_address("LLM_BUS_URL", given) if given else read_settings(environ).known_url


def bus_address(name: str, given: str) -> str:
    """The address of a bus, with or without /mcp at its end, as paths are added to it.

    Raises `ConfigurationError` that calls it `name`.
    """
    return _base(name, given.strip().rstrip("/").removesuffix("/mcp"))


def _secret(environ: Mapping[str, str], variable: str) -> str | None:
    """What the variable holds, or else the file that `<variable>_FILE` names, as containers get it."""
    if text := environ.get(variable, "").strip():
        return text
    path = environ.get(f"{variable}_FILE", "").strip()
    try:
        return Path(path).read_text().strip() or None if path else None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(f"{variable}_FILE is '{path}', which cannot be read: {reason}.") from error


def _database_url(text: str | None) -> str | None:
    if text is not None and not is_conninfo(text):  # not shown: it may hold a password
        raise ConfigurationError(
            "DATABASE_URL is neither a postgresql:// URL nor key=value pairs. Leave out quotes around it, a driver "
            "(postgresql+psycopg://) and parameters that libpq does not know (schema=public), and write special "
            "characters of a password as %XX."
        )
    return text


def _host(text: str) -> str:
    """A name or an address; one of IPv6 may have brackets, as in URLs."""
    return text[1:-1] if text.startswith("[") and text.endswith("]") and ":" in text else text


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > PORT_MAX:
        raise ConfigurationError(f"PORT is '{text}'; it must be a number from 0 to {PORT_MAX}.")
    return int(text)


def _natural(variable: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ConfigurationError(f"{variable} is '{text}'; it must be a number.")
    return int(text)


def _base_if_given(variable: str, text: str | None) -> str | None:
    return None if text is None else _base(variable, text)


def _base(variable: str, text: str) -> str:
    """A URL that paths are added to."""
    if "@" in text:
        raise ConfigurationError(f"{variable} holds credentials, which everybody would see; leave them out.")
    try:
        parts = urlsplit(text)
        proper = parts.scheme in ("http", "https") and host_name(parts.netloc) and not (parts.query or parts.fragment)
    except ValueError:
        proper = False
    if not proper or any(character.isspace() for character in text):
        raise ConfigurationError(f"{variable} is '{text}'; it must look like https://bus.example.com.")
    if parts.path.strip("/"):
        raise ConfigurationError(
            f"{variable} is '{text}'; it must end after the host and port, because paths such as /mcp are added to it."
        )
    return text.rstrip("/")


def _allowed_hosts(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    if any(host_name(name) is None or "*" in name for name in names):  # it would allow nobody, without a word
        raise ConfigurationError(
            f"ALLOWED_HOSTS is '{text}'; it must be names like bus.example.com, without wildcards."
        )
    return names


def _origins(text: str) -> tuple[str, ...]:
    """Origins as browsers send them: scheme, host and port, no path."""
    origins = tuple(filter(None, (part.strip().rstrip("/").lower() for part in text.split(","))))
    for origin in origins:
        scheme, _, host = origin.partition("://")
        if scheme not in ("http", "https") or host_name(host) is None or "*" in host:
            raise ConfigurationError(
                f"ALLOWED_ORIGINS is '{text}'; it must be origins like https://app.example.com, with commas."
            )
    return origins


def _one_of(variable: str, text: str, words: tuple[str, ...]) -> str:
    if text not in words:
        choice = " or ".join(f"'{word}'" for word in words)
        raise ConfigurationError(f"{variable} is '{text}'; it must be {choice}.")
    return text


def _header_name(text: str) -> str:
    if not _FIELD_NAME(text):
        raise ConfigurationError(f"ADMIN_EMAIL_HEADER is '{text}'; it must be the name of a header.")
    return text.lower()


def _networks(text: str | None) -> tuple[Network, ...]:
    if text is None:
        return LOOPBACK
    if text == "none":
        return ()
    try:
        return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigurationError(
            f"TRUSTED_PROXIES is '{text}'; it must be addresses or networks like 10.0.0.0/8, with commas, or 'none'."
        ) from None


def _signup(text: str) -> SignUp:
    if text in ("closed", "open"):
        return cast("SignUp", text)
    domains = tuple(part.strip().removeprefix("@").lower() for part in text.split(",") if part.strip())
    if any(host_name(domain) != domain or "." not in domain or "*" in domain for domain in domains):
        raise ConfigurationError(
            f"SIGNUP is '{text}'; it must be 'closed', 'open', or domains of emails like example.com, with commas."
        )
    return domains


def _client(name: str, client_id: str | None, secret: str | None) -> Client | None:
    if client_id is None and secret is None:
        return None
    if client_id is None or secret is None:
        missing = "ID" if client_id is None else "SECRET"
        raise ConfigurationError(f"{name}_CLIENT_{missing} is missing: the id and the secret go together.")
    return Client(id=client_id, secret=secret)


def _discovery_url(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        proper = parts.scheme == "https" or (parts.scheme == "http" and local)
    except ValueError:
        proper = False
    if not proper or not parts.hostname or any(character.isspace() for character in text):
        raise ConfigurationError(
            f"OIDC_DISCOVERY_URL is '{text}'; "
            "it must look like https://id.example.com/.well-known/openid-configuration."
        )
    return text


def _check_providers(settings: Settings) -> None:
    if (settings.oidc is None) != (settings.oidc_discovery_url is None):
        raise ConfigurationError(
            "OIDC_DISCOVERY_URL, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET go together: set all three."
        )
    if settings.admin_auth == "oauth" and not (settings.google or settings.github or settings.oidc):
        raise ConfigurationError(
            "ADMIN_AUTH is 'oauth', but there is no provider: set the client id and secret of Google, GitHub or OIDC."
        )


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
