"""Options that several commands share, and how they are spelled.

Flags go before the environment, which only `web.config` reads; so no option here has an `envvar`, and its help names
the variable instead.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from math import isnan
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from store.postgres.passwords import holds_password
from web.config import bus_address

Command = TypeVar("Command", bound=Callable[..., object])

_VARIABLES = {"--database-url": "DATABASE_URL", "--from": "LEGACY_DATABASE_URL"}
"""Where to give what may hold a password."""


def without_password(_: click.Context, option: click.Parameter, conninfo: str | None) -> str | None:
    """Refuse a database URL with a password: every user of the machine can read the arguments of all processes."""
    if conninfo is not None and holds_password(conninfo):
        raise click.UsageError(
            f"{option.opts[0]} holds a password, which every user of this machine could read in the process list. "
            f"Give the URL as the environment variable {_VARIABLES[option.opts[0]]}, in a file that "
            f"{_VARIABLES[option.opts[0]]}_FILE names, or keep the password in ~/.pgpass."
        )
    return conninfo


def data_options(command: Command) -> Command:
    """`--database-url` and `--data-dir`, which every command that touches data takes."""
    command = click.option(
        "--data-dir",
        metavar="DIR",
        type=click.Path(file_okay=False),
        help="Where the embedded PostgreSQL keeps its data; default: the user's data directory. [LLM_BUS_DATA_DIR]",
    )(command)
    return click.option(
        "--database-url",
        metavar="URL",
        callback=without_password,
        help="PostgreSQL 15 to 18, as postgresql://user@host/name; default: the embedded one. [DATABASE_URL]",
    )(command)


def address_options(command: Command) -> Command:
    """How a server is reached and how it logs: host, port, public URL, allowed hosts, log format."""
    for option in (
        click.option("--log-format", type=click.Choice(["text", "json"]), help="How to log. [LOG_FORMAT, text]"),
        click.option("--allowed-hosts", metavar="NAMES", help="More names it answers to, with commas. [ALLOWED_HOSTS]"),
        public_url_option,
        port_option,
        click.option("--host", metavar="HOST", help="The address to listen on. [HOST, 127.0.0.1]"),
    ):
        command = option(command)
    return command


def sign_in_options(command: Command) -> Command:
    """How owners sign in to the web admin. Secrets are no options, because every process could read them."""
    for option in (
        click.option(
            "--oauth-redirect-base", metavar="URL", help="Where providers send browsers back to. [OAUTH_REDIRECT_BASE]"
        ),
        click.option("--oidc-client-id", metavar="ID", help="With OIDC_CLIENT_SECRET. [OIDC_CLIENT_ID]"),
        click.option("--oidc-discovery-url", metavar="URL", help="Any OpenID provider's. [OIDC_DISCOVERY_URL]"),
        click.option("--github-client-id", metavar="ID", help="With GITHUB_CLIENT_SECRET. [GITHUB_CLIENT_ID]"),
        click.option("--google-client-id", metavar="ID", help="With GOOGLE_CLIENT_SECRET. [GOOGLE_CLIENT_ID]"),
        click.option(
            "--signup", metavar="WHO", help="New owners: closed, open, or domains of emails. [SIGNUP, closed]"
        ),
        click.option(
            "--trusted-proxies", metavar="NETS", help="Proxies that may name a client. [TRUSTED_PROXIES, loopback]"
        ),
        click.option(
            "--admin-email-header", metavar="NAME", help="The header that names an owner. [ADMIN_EMAIL_HEADER]"
        ),
        click.option("--admin-auth", metavar="HOW", help="Owners sign in by link, header or oauth. [ADMIN_AUTH]"),
    ):
        command = option(command)
    return command


class OptionalArgument(click.Argument):
    """An argument that may be left out: its usage shows brackets, its errors do not."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """The name between quotes."""
        return f"'{str(self.metavar).strip('[]')}'"


HOURS_MAX = 24 * 36_500
"""A century: as long as any time that an option takes."""


class WholeNumber(click.IntRange):
    """A whole number between two bounds."""

    name = "whole number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a usage error that tells the bounds."""
        with suppress(click.BadParameter):
            return int(super().convert(value, param, ctx))
        wanted = f"a whole number from {self.min} to {self.max}"
        raise click.BadParameter(f"'{value}' must be {wanted}.", ctx=ctx, param=param)


class Number(click.FloatRange):
    """A number between two bounds; `nan` is none."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a usage error that tells the bounds."""
        with suppress(click.BadParameter):
            if not isnan(number := float(super().convert(value, param, ctx))):
                return number
        wanted = f"a number from {self.min:g} to {self.max:g}"
        raise click.BadParameter(f"'{value}' must be {wanted}.", ctx=ctx, param=param)


def json_option(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")(command)


def port_option(command: Command) -> Command:
    """`--port`."""
    return click.option("--port", metavar="PORT", help="The server's port; 0 is any free one. [PORT, 8787]")(command)


def public_url_option(command: Command) -> Command:
    """`--public-url`."""
    option = click.option("--public-url", metavar="URL", help="Where clients reach it, when that differs. [PUBLIC_URL]")
    return option(command)


def url_option(text: str) -> Callable[[Command], Command]:
    """`--url` of a running server, without the /mcp at its end."""
    return click.option("--url", metavar="URL", callback=address, help=text)


def address(_: click.Context, parameter: click.Parameter, url: str | None) -> str | None:
    """The address of a server, without the /mcp at its end; raises `ConfigurationError` for what is no address."""
    name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
    return None if url is None else bus_address(name, url)


def options_given(*, but: Collection[str]) -> list[str]:
    """The options that this command line has, such as `--project`, without those of these names."""
    context = click.get_current_context()
    return [
        option.opts[0]
        for option in context.command.params
        if option.name not in but and context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
    ]
