"""`/mcp`: Streamable HTTP without sessions, in front of everything else.

One POST, one JSON answer: authenticate, read, find the era the client speaks, hand one request to the kernel, write its
result. Identity is in the token and state in the project's actor, so nothing is kept between requests and
`Mcp-Session-Id` is never sent; there is no stream to GET and no session to DELETE.

A client of the handshake era (2024-11-05 to 2025-11-25) names its revision in a header, or not at all; one of
2026-07-28 sends an envelope in `params._meta` that must agree with its headers.
"""

import mcp_types as types
import structlog
import trio
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
from web.errors import BodyTooLarge, Disconnected, NoLongerAdmitted, RequestAborted
from web.http import asgi, problems
from web.http.asgi import Receive, Scope, Send
from web.http.exchange import Exchange
from web.http.problems import Problem
from web.identity.authenticator import Authenticator
from web.mcp import jsonrpc
from web.mcp.jsonrpc import Message
from web.mcp.kernel import Kernel

log = structlog.get_logger(__name__)

UNNAMED_REVISION = "2025-03-26"
"""What a client speaks that names no revision (MCP 2025-11-25, Transports, Protocol Version Header)."""

ARRIVAL_SECONDS_MAX = 20.0
"""How long a request may take to arrive with its whole body, and its token to be looked up."""

CALL_SECONDS_MAX = 100.0
"""How long the answer may take then: more than the longest wait and the actors' retries together."""

Reply = tuple[int, bytes]
"""HTTP status and body."""

_HEADERS = (asgi.NO_STORE, (b"x-content-type-options", b"nosniff"))
_VERSION = MCP_PROTOCOL_VERSION_HEADER.encode()
_ROUTING = {name.encode(): name for name in (MCP_PROTOCOL_VERSION_HEADER, MCP_METHOD_HEADER, MCP_NAME_HEADER)}
_CLIENT_GONE = 499
_MALFORMED_PARAMS = types.ErrorData(code=types.INVALID_PARAMS, message="Invalid request parameters")


class McpEndpoint:
    """Answers whatever is sent to `/mcp`."""

    def __init__(self, kernel: Kernel, authenticator: Authenticator, public_url: str) -> None:
        self._kernel = kernel
        self._authenticator = authenticator
        metadata = f"{public_url}/.well-known/oauth-protected-resource"
        challenge = f'Bearer resource_metadata="{metadata}"'.encode()
        self._stranger = problems.STRANGER.with_header(b"www-authenticate", challenge)

    async def __call__(self, exchange: Exchange, send: Send) -> None:
        """Answer one HTTP request; that its client has left meanwhile is no error."""
        answer: Reply | Problem = problems.TOO_SLOW
        try:
            with trio.move_on_after(ARRIVAL_SECONDS_MAX) as limit:
                request = await self._refuse(exchange) or await _read(exchange.receive)
                if isinstance(request, Problem):
                    answer = request
                else:
                    answer = problems.STORE_SILENT
                    limit.deadline += CALL_SECONDS_MAX
                    answer = await self._answer_admitted(exchange, request)
            await _send(exchange, answer, send)
        except Disconnected:
            exchange.status, exchange.outcome = _CLIENT_GONE, "disconnected"

    async def _refuse(self, exchange: Exchange) -> Problem | None:
        """What the headers alone rule out. Strangers learn nothing else."""
        scope = exchange.scope
        if scope["method"] != "POST":
            return problems.POST_ONLY.with_header(b"allow", b"POST")
        try:
            grant = await self._authenticator.authenticate(asgi.header(scope, b"authorization"))
        except StoreUnavailable:
            return problems.STORE_SILENT
        if grant is None:
            return self._stranger
        exchange.principal = grant.principal
        if grant.suspended:
            return problems.SUSPENDED
        if not _is_json(asgi.header(scope, b"content-type")):
            return problems.NOT_JSON
        if int(asgi.header(scope, b"content-length") or 0) > asgi.BODY_BYTES_MAX:
            return problems.TOO_LARGE
        return None

    async def _answer_admitted(self, exchange: Exchange, body: bytes) -> Reply | Problem:
        """The answer; or, when the token stops working while the call waits, what a new request with it would get."""
        try:
            return await self._answer(exchange, body)
        except NoLongerAdmitted:
            return await self._refuse(exchange) or self._stranger

    async def _answer(self, exchange: Exchange, body: bytes) -> Reply:
        """The answer to an authenticated client's message."""
        message = jsonrpc.read_message(body)
        if isinstance(message, types.ErrorData):
            exchange.outcome = "malformed"
            return 400, jsonrpc.write_error(None, message)
        exchange.rpc_method = message.method
        if message.id is UNSET:
            return _acknowledge(exchange)
        route = _route(exchange.scope, message)
        if isinstance(route, InboundLadderRejection):
            exchange.outcome = "misrouted"
            return _refusal(message.id, types.ErrorData(code=route.code, message=route.message, data=route.data))
        return await self._ask_kernel(exchange, message.id, message, route)

    async def _ask_kernel(
        self, exchange: Exchange, request_id: str | int, message: Message, route: InboundModernRoute
    ) -> Reply:
        """The kernel's result, or its error; what nobody foresaw is logged and stays here."""
        try:
            result = await self._kernel.answer(exchange, request_id, message.method, message.params, route)
            return 200, jsonrpc.write_result(request_id, result)
        except RequestAborted:
            raise
        except MCPError as refused:
            error = refused.error
        except ValidationError:
            error = _MALFORMED_PARAMS
        except Exception:  # the supervisor of requests: one that fails must not take others along
            log.exception("request failed", rpc_method=message.method, tool=exchange.tool)
            error = jsonrpc.INTERNAL_ERROR
        exchange.outcome = "internal" if error.code == types.INTERNAL_ERROR else "refused"
        modern = route.protocol_version in MODERN_PROTOCOL_VERSIONS
        return _refusal(request_id, error) if modern else (200, jsonrpc.write_error(request_id, error))


async def _read(receive: Receive) -> bytes | Problem:
    try:
        return await asgi.read_body(receive)
    except BodyTooLarge:
        return problems.TOO_LARGE


async def _send(exchange: Exchange, answer: Reply | Problem, send: Send) -> None:
    if isinstance(answer, Problem):
        exchange.status, exchange.outcome = answer.status, answer.name
        headers = (*answer.headers, *_HEADERS)
        await asgi.refuse_unread(exchange.receive, send, answer.status, answer.body, headers=headers)
    else:
        exchange.status, body = answer
        await asgi.respond(send, exchange.status, body, headers=_HEADERS)


def _route(scope: Scope, message: Message) -> InboundModernRoute | InboundLadderRejection:
    """The revision this request is to be answered in, or why there is none."""
    lines = [(_ROUTING[name], value.decode("latin-1")) for name, value in scope["headers"] if name in _ROUTING]
    headers = dict(lines)
    named = headers.get(MCP_PROTOCOL_VERSION_HEADER)
    enveloped = _is_enveloped(message)
    if named in HANDSHAKE_PROTOCOL_VERSIONS or (named is None and not enveloped):
        return InboundModernRoute(named or UNNAMED_REVISION, None, None)
    if (twice := find_duplicated_routing_header(lines)) is not None:
        return InboundLadderRejection(code=types.HEADER_MISMATCH, message=f"{twice} header appears more than once")
    if named not in KNOWN_PROTOCOL_VERSIONS and not enveloped:
        rejection = unsupported_protocol_version_rejection(named or "", KNOWN_PROTOCOL_VERSIONS)
        assert rejection is not None  # noqa: S101 - just found not to be among them
        return rejection
    return classify_inbound_request({"method": message.method, "params": message.params}, headers=headers)


def _acknowledge(exchange: Exchange) -> Reply:
    """Notifications are accepted and dropped: without sessions there is nothing that one could act on."""
    named = (asgi.header(exchange.scope, _VERSION) or UNNAMED_REVISION.encode()).decode("latin-1")
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
