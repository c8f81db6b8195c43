"""How the command line reaches a bus by HTTP, and what it says where a bus refuses or nobody answers."""

import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx2

from kit.settings import TOKEN_PREFIX
from web.errors import BusUnreachable, ConfigurationError

AROUND_PROXIES = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}
"""HTTP_PROXY is for the world outside: a bus on this machine is asked directly, and its tokens stay here."""

CALL_SECONDS_MAX = 75.0
"""Longer than the longest wait a tool offers."""

REVISION = "2025-11-25"
"""The protocol's newest revision in which a call is one POST."""

CALL_TIMEOUT = httpx2.Timeout(CALL_SECONDS_MAX, connect=5.0)


_ADDRESS = re.compile("https?://[!-~]+")


def can_be_sent(token: str) -> bool:
    """Whether a header can hold it: otherwise it is no token, and the client's error would show it."""
    return token.isascii() and token.isprintable()


def bearer(token: str) -> dict[str, str]:
    """The header that says who calls; raises `ConfigurationError` for what cannot be a token."""
    if not can_be_sent(token):
        raise ConfigurationError("what LLM_BUS_TOKEN holds is not a token: it has characters that no token has.")
    return {"Authorization": f"Bearer {token}"}


def unreachable(cause: Exception) -> BusUnreachable:
    """The sentence for a request that failed, or for an answer that makes no sense."""
    if not isinstance(cause, httpx2.ConnectError):
        return BusUnreachable(f"no proper answer from the bus: {reason(cause).rstrip('.')}.")
    url = cause.request.url
    if any(isinstance(each, ssl.SSLError) for each in _causes(cause)):
        return BusUnreachable(f"no TLS at {url}: {reason(cause)}. If it speaks plain HTTP, its address is http://…")
    return BusUnreachable(
        f"nobody answers at {url}. Start a server with 'llm-bus up', or give another address: --url or LLM_BUS_URL."
    )


def reason(error: Exception) -> str:
    """The text of the error. Trio's connections put it into a cause and leave the error itself without a text."""
    return next(filter(None, map(str, _causes(error))), type(error).__name__)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def refusal(response: httpx2.Response) -> str | None:
    """What the server says where it refuses a whole request; None where it does not, or says nothing."""
    if response.status_code == httpx2.codes.UNAUTHORIZED:
        is_alike = response.request.headers.get("Authorization", "").startswith(f"Bearer {TOKEN_PREFIX}")
        return f"does not know this token.{'' if is_alike else f' Tokens begin with {TOKEN_PREFIX}.'}"
    location = response.headers.get("Location", "")
    if response.is_redirect and _ADDRESS.fullmatch(location):
        return f"redirects to {location}, and tokens are not sent on: give that address."
    if response.is_success:
        return None
    with suppress(LookupError, TypeError, httpx2.StreamError):
        return f"says: {json_in(response)['error_description']}"
    return None


def json_in(response: httpx2.Response) -> Any:
    """The JSON of an answer; None for what is none."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
