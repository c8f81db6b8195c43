"""What can go wrong at the edge.

    WebError
    ├── ConfigurationError   the operator's fault: a setting makes no sense; the message is the sentence to show
    ├── CannotListen         the environment: the address is taken or not ours; the message says what to do
    ├── AlreadyRunning       the environment: an LLM Bus with other data has the port; the message says what to do
    ├── BusUnreachable       the environment: as a client of the bus, no proper answer came
    ├── BenchFailed          the environment: a benchmark could not be run to its end; the message says why
    ├── CannotSignIn         the operator's fault: no link for that owner or address; the message says why
    ├── IdentityRefused      the visitor's fault or the provider's: this identity may not sign in
    ├── ProviderSilent       the environment: a provider of identities does not answer, or makes no sense
    ├── NotDelivered         the environment: a webhook's receiver did not take a message; the sentence for its owner
    ├── ToolRefused          as a client of the bus, it said no: the tool's own sentence
    └── RequestAborted       a request that ends without the answer it asked for
        ├── NoLongerAdmitted the caller's token stopped working while its call waited
        └── Disconnected     the caller is gone: nobody is left to answer

Refusals of the domain are values (`engine.refusals`); what the floors below raise keeps its own names.
"""

import errno
from collections.abc import Iterator


class WebError(Exception):
    """The root of this package's exceptions."""


class ConfigurationError(WebError):
    """A setting makes no sense; the message tells the operator which and what to do."""


class CannotListen(WebError):
    """The server cannot listen where it was told to; the message says what to do."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        if error.errno == errno.EADDRINUSE:
            super().__init__(f"port {port} on {host} is taken: stop what listens there, or choose another --port.")
        elif error.errno == errno.EACCES:
            super().__init__(f"port {port} on {host} needs more rights: choose a --port above 1023.")
        else:
            super().__init__(f"cannot listen on {host}, port {port}: {error.strerror or error}. Correct --host.")


class AlreadyRunning(WebError):
    """An LLM Bus with other data listens where this one was to; the message says what to do."""

    def __init__(self, url: str) -> None:
        super().__init__(f"another LLM Bus, with other data, answers at {url}: choose another --port.")


class BusUnreachable(WebError):
    """The bus, called as its client, did not answer or not as an MCP server does; the message says what came."""


class BenchFailed(WebError):
    """A benchmark could not be run to its end; the message says what was in the way."""


class NotDelivered(WebError):
    """A webhook's receiver did not take a message; a sentence for its owner, without the address."""


class CannotSignIn(WebError):
    """No sign-in link can be made for that owner; the message says why, and what to do."""


class IdentityRefused(WebError):
    """The person that an identity provider named may not sign in; the message is the sentence to show."""


class ProviderSilent(WebError):
    """A provider of identities does not answer in time, or not as it should; the message is the sentence to show."""


class ToolRefused(WebError):
    """The bus, called as its client, refused; the message is what the tool said."""


class RequestAborted(WebError):
    """A request that ends without the answer it asked for."""


class NoLongerAdmitted(RequestAborted):
    """The caller's token stopped working while its call waited."""


class Disconnected(RequestAborted):
    """The client went away; there is nobody left to answer."""


def leaves(error: BaseException) -> Iterator[BaseException]:
    """What really went wrong: the exceptions in a group and its groups, or the one that is no group."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error
