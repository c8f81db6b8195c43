"""Identity providers that owners sign in with: the address to send a browser to, and the identity for its code.

OAuth 2.0 with state, nonce and PKCE. The caller keeps those between the two steps and uses each once.
Nothing a provider says counts before it is verified: an ID token by signature, issuer, audience, nonce and time, an
email only when the provider itself has verified it. Nothing of a provider's answers is logged. Every talk with one is
bounded by `PROVIDER_SECONDS_MAX`.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

import httpx2
import msgspec
import structlog
import trio
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]  # Authlib has no types
from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]  # the same
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from joserfc.jwt import JWTClaimsRegistry
from msgspec import Struct

from web.config import Client, Settings
from web.errors import IdentityRefused, ProviderSilent

log = structlog.get_logger(__name__)

PROVIDER_SECONDS_MAX = 10.0
METADATA_SECONDS_MAX = 3600.0
"""How long a provider's addresses and keys are kept; keys are also read again when one is missing."""

LEEWAY_SECONDS = 60
"""How far a provider's clock and ours may be apart."""

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures that only the provider can make; never ones that a shared secret makes."""

GOOGLE_DISCOVERY_URL = "https://accounts.google.com/.well-known/openid-configuration"

_MALFORMED = (OAuthError, JoseError, msgspec.MsgspecError, httpx2.InvalidURL, LookupError, ValueError)
"""Exceptions raised while reading a malformed answer."""

_ERROR_CODE = re.compile(r"[a-z_]{1,40}").fullmatch


class Challenge(Struct, frozen=True, kw_only=True):
    """The secrets that tie a callback to its attempt."""

    state: str
    nonce: str
    verifier: str


class Identity(Struct, frozen=True, kw_only=True):
    """The person who signed in: the issuer, its subject, which never changes, and a verified email."""

    issuer: str
    subject: str
    email: str


class Provider(Protocol):
    """An identity provider. Every method raises `ProviderSilent` when it cannot be reached or makes no sense."""

    @property
    def key(self) -> str:
        """Its name in addresses."""
        ...

    @property
    def title(self) -> str:
        """Its name for people."""
        ...

    async def address(self, challenge: Challenge) -> str:
        """Where to send the browser."""
        ...

    async def identify(self, code: str, challenge: Challenge) -> Identity:
        """The identity for this code; raises `IdentityRefused` when it cannot be accepted."""
        ...


def providers_of(settings: Settings) -> dict[str, Provider]:
    """The providers that are configured, by key, if owners sign in with those. `settings` are bound."""
    if settings.admin_auth != "oauth":
        return {}
    base = settings.oauth_redirect_base or settings.known_url
    found: list[Provider] = []
    if settings.google is not None:
        found.append(OpenId("google", "Google", GOOGLE_DISCOVERY_URL, settings.google, base))
    if settings.github is not None:
        found.append(GitHub(settings.github, base))
    if settings.oidc is not None and settings.oidc_discovery_url is not None:
        found.append(OpenId("oidc", "single sign-on", settings.oidc_discovery_url, settings.oidc, base))
    return {provider.key: provider for provider in found}


ProvidersOf = Callable[[Settings], Mapping[str, Provider]]
"""The providers to use with bound settings, by key."""


def callback_url(base: str, key: str) -> str:
    """Where a provider sends the browser back to; it must be told this address beforehand."""
    return f"{base}/admin/oauth/{key}/callback"


def error_code(text: str) -> str:
    """An error as providers name them, or nothing when it is anything else."""
    return text if _ERROR_CODE(text) else ""


class _Metadata(Struct, frozen=True, kw_only=True):
    """The part of a discovery document that is read (OpenID Connect Discovery 1.0 §3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = msgspec.field(default_factory=lambda: ["client_secret_basic"])


class _Known(Struct, frozen=True):
    """A provider's metadata and keys, and until when they are believed, on Trio's clock."""

    metadata: _Metadata
    keys: KeySet
    until: float


class OpenId:
    """A provider that speaks OpenID Connect, known by the URL of its discovery document."""

    def __init__(self, key: str, title: str, discovery_url: str, client: Client, redirect_base: str) -> None:
        self.key = key
        self.title = title
        self._discovery_url = discovery_url
        self._client = client
        self._redirect_uri = callback_url(redirect_base, key)
        self._known: _Known | None = None

    async def address(self, challenge: Challenge) -> str:
        """Where to send the browser."""
        async with _talking(self.title), self._session("client_secret_basic") as session:
            metadata = (await self._learn(session)).metadata
            return _authorization_url(session, metadata.authorization_endpoint, challenge, nonce=challenge.nonce)

    async def identify(self, code: str, challenge: Challenge) -> Identity:
        """The identity for this code."""
        async with _talking(self.title), self._session("client_secret_basic") as session:
            known = await self._learn(session)
            methods = known.metadata.token_endpoint_auth_methods_supported
            if "client_secret_basic" not in methods and "client_secret_post" in methods:
                session.token_endpoint_auth_method = "client_secret_post"  # noqa: S105 - the name of a method
            token = await _fetch_token(session, known.metadata.token_endpoint, code, challenge)
            claims = await self._verify(session, known, str(token.get("id_token", "")), challenge.nonce)
            return await self._identity(session, known.metadata, claims)

    async def _identity(self, session: Any, metadata: _Metadata, claims: Mapping[str, Any]) -> Identity:
        source = claims
        if "email" not in claims and metadata.userinfo_endpoint is not None:
            source = _json(await session.get(metadata.userinfo_endpoint))
            if source.get("sub") != claims["sub"]:  # OpenID Connect Core 1.0 §5.3.2
                raise IdentityRefused("The provider's answers are about two different people.")
        # `email_verified` counts only from where the email came: an ID token cannot vouch for what userinfo says.
        email, verified = source.get("email"), source.get("email_verified")
        if not isinstance(email, str) or not (verified is True or verified == "true"):
            raise IdentityRefused(f"{self.title} has not verified your email address. Verify it there, then try again.")
        return _identity(metadata.issuer, claims["sub"], email)

    async def _verify(self, session: Any, known: _Known, id_token: str, nonce: str) -> Mapping[str, Any]:
        """The claims of an ID token that was made by this provider, for us, in answer to this very sign-in."""
        wanted = JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": known.metadata.issuer},
            sub={"essential": True},
            aud={"essential": True, "value": self._client.id},
            azp={"value": self._client.id},
            exp={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            try:
                claims = jwt.decode(id_token, known.keys, algorithms=ALGORITHMS).claims
            except (JoseError, ValueError):  # perhaps signed with a key that is newer than those we know
                keys = (await self._learn(session, again=True)).keys
                claims = jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims
            wanted.validate(claims)
        except (JoseError, ValueError) as wrong:
            log.warning("id token refused", provider=self.key, reason=type(wrong).__name__)
            raise IdentityRefused(f"The answer of {self.title} does not belong to this sign-in. Try again.") from wrong
        return claims

    async def _learn(self, session: Any, *, again: bool = False) -> _Known:
        known = self._known
        if known is None or again or trio.current_time() >= known.until:
            metadata = msgspec.convert(await _published(session, self._discovery_url), _Metadata)
            keys = KeySet.import_key_set(cast("KeySetSerialization", await _published(session, metadata.jwks_uri)))
            self._known = known = _Known(metadata, keys, trio.current_time() + METADATA_SECONDS_MAX)
        return known

    def _session(self, auth_method: str) -> Any:
        return _session(self._client, self._redirect_uri, "openid email", auth_method)


class GitHub:
    """GitHub, which speaks OAuth 2.0 but no OpenID Connect; its addresses are arguments only for tests."""

    key = "github"
    title = "GitHub"

    def __init__(
        self, client: Client, redirect_base: str, site: str = "https://github.com", api: str = "https://api.github.com"
    ) -> None:
        self._client = client
        self._redirect_uri = callback_url(redirect_base, self.key)
        self._site = site
        self._api = api

    async def address(self, challenge: Challenge) -> str:
        """Where to send the browser."""
        async with self._session() as session:
            return _authorization_url(session, f"{self._site}/login/oauth/authorize", challenge)

    async def identify(self, code: str, challenge: Challenge) -> Identity:
        """The identity for this code: the user's number, and the primary verified email."""
        async with _talking(self.title), self._session() as session:
            await _fetch_token(session, f"{self._site}/login/oauth/access_token", code, challenge)
            headers = {"Accept": "application/vnd.github+json"}
            user = _json(await session.get(f"{self._api}/user", headers=headers))
            answer = await session.get(f"{self._api}/user/emails", headers=headers)
            emails = msgspec.convert(_checked(answer).json(), list[dict[str, Any]])
            for each in emails:
                if each.get("primary") is True and each.get("verified") is True:
                    return _identity(self.key, str(user["id"]), str(each["email"]))
        raise IdentityRefused("GitHub has not verified your primary email address. Verify it there, then try again.")

    def _session(self) -> Any:
        return _session(self._client, self._redirect_uri, "read:user user:email", "client_secret_post")


def _identity(issuer: str, subject: object, email: str) -> Identity:
    """The identity, in text that a database can hold."""
    if not (isinstance(subject, str) and subject.isprintable() and email.isprintable()):
        raise IdentityRefused("The provider names you with characters that no name or email address has.")
    return Identity(issuer=issuer, subject=subject, email=email)


def _session(client: Client, redirect_uri: str, scope: str, auth_method: str) -> Any:
    return AsyncOAuth2Client(
        client.id,
        client.secret,
        scope=scope,
        redirect_uri=redirect_uri,
        token_endpoint_auth_method=auth_method,
        code_challenge_method="S256",
        timeout=PROVIDER_SECONDS_MAX,
    )


def _authorization_url(session: Any, endpoint: str, challenge: Challenge, **more: str) -> str:
    url, _ = session.create_authorization_url(endpoint, state=challenge.state, code_verifier=challenge.verifier, **more)
    return str(url)


async def _fetch_token(session: Any, endpoint: str, code: str, challenge: Challenge) -> Mapping[str, Any]:
    try:
        token: Mapping[str, Any] = await session.fetch_token(
            endpoint, grant_type="authorization_code", code=code, code_verifier=challenge.verifier
        )
    except OAuthError as refused:
        log.warning("sign-in refused by its provider", error=error_code(str(refused.error)))
        raise IdentityRefused("The provider did not accept this sign-in. Try again.") from refused
    return token


@asynccontextmanager
async def _talking(title: str) -> AsyncIterator[None]:
    """Raise `ProviderSilent` when a provider is silent or its answer is malformed."""
    try:
        with trio.fail_after(PROVIDER_SECONDS_MAX):
            yield
    except (*_MALFORMED, httpx2.HTTPError, trio.TooSlowError) as error:
        log.warning("identity provider failed", provider=title, problem=type(error).__name__)
        raise ProviderSilent(f"{title} does not answer as it should. Try again in a moment.") from error


async def _published(session: Any, url: str) -> dict[str, Any]:
    """A provider's public metadata and keys."""
    return _json(await session.request("GET", url, withhold_token=True))


def _json(response: httpx2.Response) -> dict[str, Any]:
    return msgspec.convert(_checked(response).json(), dict[str, Any])


def _checked(response: httpx2.Response) -> httpx2.Response:
    return response.raise_for_status()
