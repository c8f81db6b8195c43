"""`/mcp`: Streamable HTTP without sessions.

One POST, one answer: authenticate, read, find the era the client speaks, hand one request to the kernel, write its
result. Identity is in the token and state in the project's actor, so nothing is kept between requests and
`Mcp-Session-Id` is never sent; there is no stream to GET and no session to DELETE. Only the answer to
`subscriptions/listen` is a stream (`web.mcp.listening`); any other is JSON in one piece.

A client of the handshake era (2024-11-05 to 2025-11-25) names its revision in a header, or not at all; one of
2026-07-28 sends an envelope in `params._meta` that must agree with its headers.
"""

import re
from functools import partial
from time import perf_counter

import mcp_types as types
import structlog
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundLadderRejection,
    InboundModernRoute,
    classify_inbound_request,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from msgspec import UNSET
from pydantic import ValidationError

from store.errors import StoreUnavailable
from web.errors import NoLongerAdmitted, RequestAborted
from web.http import problems
from web.http.answer import Answer, EventStream
from web.http.exchange import Exchange
from web.http.problems import Problem
from web.http.request import Request
from web.identity.authenticator import Authenticator, hash_of
from web.mcp import jsonrpc
from web.mcp.arguments import malformed_params
from web.mcp.jsonrpc import Message, Unreadable
from web.mcp.kernel import Kernel
from web.mcp.resources import REFUSED
from web.mcp.sending import TOO_LATE

log = structlog.get_logger(__name__)

UNNAMED_REVISION = "2025-03-26"
"""What a client speaks that names no revision (MCP 2025-11-25, Transports, Protocol Version Header)."""

SMALL_BYTES_MAX = 64_000
"""How long a request may be that is no tool call: checking its params takes long, and no client sends as much."""

LATEST_HANDSHAKE = HANDSHAKE_PROTOCOL_VERSIONS[-1]

Reply = tuple[int, bytes]
"""HTTP status and body."""

_NAMES_VARIABLE = re.compile(rb"Bearer +[$%{]", re.IGNORECASE).match
"""No token has these; clients send `Bearer ${LLM_BUS_TOKEN}` where the variable is not set."""

_VERSION = MCP_PROTOCOL_VERSION_HEADER.encode()
_ROUTING = {name.encode(): name for name in (MCP_PROTOCOL_VERSION_HEADER, MCP_METHOD_HEADER, MCP_NAME_HEADER)}
_HANDSHAKE_ROUTES: dict[bytes | None, InboundModernRoute] = {
    None: InboundModernRoute(UNNAMED_REVISION, None, None),
    **{name.encode(): InboundModernRoute(name, None, None) for name in HANDSHAKE_PROTOCOL_VERSIONS},
}


class McpEndpoint:
    """Answers requests to `/mcp`."""

    def __init__(self, kernel: Kernel, authenticator: Authenticator, public_url: str) -> None:
        self._kernel = kernel
        self._authenticator = authenticator
        metadata = f"{public_url}/.well-known/oauth-protected-resource"
        challenge = b"www-authenticate", f'Bearer resource_metadata="{metadata}"'.encode()
        self._stranger = problems.STRANGER.with_header(*challenge)
        self._unset_variable = problems.UNSET_VARIABLE.with_header(*challenge)

    async def refuse(self, exchange: Exchange) -> Problem | None:
        """Why the headers alone rule a request out; None when they do not. Without a valid token it is always 401."""
        request = exchange.request
        if request.method != "POST":
            return problems.POST_ONLY.with_header(b"allow", b"POST")
        exchange.token_hash = b""
        authorization = request.header(b"authorization")
        token_hash, began = hash_of(authorization), perf_counter()
        try:
            grant = None if token_hash is None else await self._authenticator.authenticate(token_hash)
        except StoreUnavailable:
            return problems.STORE_SILENT
        exchange.look_up_seconds = perf_counter() - began
        if token_hash is None or grant is None:
            return self._unset_variable if _NAMES_VARIABLE(authorization or b"") else self._stranger
        exchange.principal, exchange.token_hash = grant.principal, token_hash
        if grant.suspended:
            return problems.SUSPENDED
        if grant.archived:
            return problems.ARCHIVED
        return None if _is_json(request.header(b"content-type")) else problems.NOT_JSON

    async def answer(self, exchange: Exchange, body: bytes) -> Answer | EventStream | Problem:
        """The answer to a request that `refuse` let pass.

        When the token stops working while the call waits, it is what a new request with it would get. Raises
        `Disconnected` when the client leaves while the call waits.
        """
        try:
            reply = await self._answer(exchange, body)
        except NoLongerAdmitted:
            return await self.refuse(exchange) or self._stranger
        return reply if isinstance(reply, EventStream) else Answer(*reply, problems.HEADERS)

    async def _answer(self, exchange: Exchange, body: bytes) -> Reply | EventStream:
        """The answer to an authenticated client's message."""
        message = jsonrpc.read_message(body)
        if isinstance(message, Unreadable):
            exchange.outcome = "malformed"
            return 400, jsonrpc.write_error(message.id, message.error)
        exchange.rpc_method = message.method
        if message.id is UNSET:
            return _acknowledge(exchange)
        if message.method != "tools/call" and len(body) > SMALL_BYTES_MAX:
            exchange.outcome = "malformed"
            too_long = f"Invalid request parameters: a request longer than {SMALL_BYTES_MAX} bytes must be a tool call"
            return _refusal(message.id, types.ErrorData(code=types.INVALID_PARAMS, message=too_long))
        route = _route(exchange.request, message)
        if isinstance(route, InboundLadderRejection):
            exchange.outcome = "misrouted"
            return _refusal(message.id, types.ErrorData(code=route.code, message=route.message, data=route.data))
        return await self._ask_kernel(exchange, message.id, message, route)

    async def _ask_kernel(
        self, exchange: Exchange, request_id: str | int, message: Message, route: InboundModernRoute
    ) -> Reply | EventStream:
        """The kernel's result, or its error; an unforeseen exception is logged and becomes a 500."""
        exchange.when_late = partial(self._too_late, request_id, message.method, route.protocol_version)
        try:
            result = await self._kernel.answer(exchange, request_id, message.method, message.params, route)
            return result if isinstance(result, EventStream) else (200, jsonrpc.write_result(request_id, result))
        except RequestAborted:
            raise
        except MCPError as refused:
            error = refused.error
        except ValidationError as malformed:
            error = malformed_params(malformed)
        except Exception:  # the supervisor of requests: one that fails must not take others along
            named = exchange.request_id
            log.exception("request failed", request_id=named, rpc_method=message.method, tool=exchange.tool)
            exchange.outcome = "internal"
            return 500, jsonrpc.write_error(request_id, jsonrpc.internal_error(named))
        exchange.outcome = "internal" if error.code == types.INTERNAL_ERROR else "refused"
        modern = route.protocol_version in MODERN_PROTOCOL_VERSIONS
        return _refusal(request_id, error) if modern else (200, jsonrpc.write_error(request_id, error))

    def _too_late(self, request_id: str | int, method: str, revision: str, exchange: Exchange) -> Answer:
        if method == "tools/call":
            late = jsonrpc.write_result(request_id, self._kernel.too_late(exchange, revision))
        else:
            exchange.outcome = TOO_LATE.code
            late = jsonrpc.write_error(request_id, types.ErrorData(code=REFUSED, message=str(TOO_LATE)))
        return Answer(200, late, problems.HEADERS)


def _route(request: Request, message: Message) -> InboundModernRoute | InboundLadderRejection:
    """The revision this request is to be answered in, or why there is none."""
    version = request.header(_VERSION)
    if (handshake := _HANDSHAKE_ROUTES.get(version)) is not None and (version or not _is_enveloped(message)):
        return handshake
    lines = [(_ROUTING[name], value.decode("latin-1")) for name, value in request.headers if name in _ROUTING]
    headers = dict(lines)
    named = headers.get(MCP_PROTOCOL_VERSION_HEADER)
    enveloped = _is_enveloped(message)
    if (twice := find_duplicated_routing_header(lines)) is not None:
        return InboundLadderRejection(code=types.HEADER_MISMATCH, message=f"{twice} header appears more than once")
    if named not in KNOWN_PROTOCOL_VERSIONS and message.method == "initialize":
        return InboundModernRoute(LATEST_HANDSHAKE, None, None)  # what both speak is found by the body
    if named not in KNOWN_PROTOCOL_VERSIONS and not enveloped:
        rejection = unsupported_protocol_version_rejection(named or "", KNOWN_PROTOCOL_VERSIONS)
        assert rejection is not None  # noqa: S101 - just found not to be among them
        return rejection
    return classify_inbound_request({"method": message.method, "params": message.params}, headers=headers)


def _acknowledge(exchange: Exchange) -> Reply:
    """Notifications are accepted and dropped: without sessions there is nothing that one could act on."""
    named = (exchange.request.header(_VERSION) or UNNAMED_REVISION.encode()).decode("latin-1")
    rejection = unsupported_protocol_version_rejection(named, KNOWN_PROTOCOL_VERSIONS)
    if rejection is None:
        return 202, b""
    exchange.outcome = "misrouted"
    return _refusal(None, types.ErrorData(code=rejection.code, message=rejection.message, data=rejection.data))


def _refusal(request_id: str | int | None, error: types.ErrorData) -> Reply:
    return ERROR_CODE_HTTP_STATUS.get(error.code, 200), jsonrpc.write_error(request_id, error)


def _is_enveloped(message: Message) -> bool:
    meta = (message.params or {}).get("_meta")
    return isinstance(meta, dict) and types.PROTOCOL_VERSION_META_KEY in meta


def _is_json(content_type: bytes | None) -> bool:
    return content_type is not None and content_type.partition(b";")[0].strip().lower() == b"application/json"
