"""Providers of identities on the loopback: a real OpenID provider as a process, and small fakes for what it cannot do.

The fakes answer whatever they are told to, also what no honest provider would.
"""

import json
import re
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from hashlib import sha256
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from joserfc import jwt
from joserfc.jwk import RSAKey
from quart import Blueprint, request
from quart_trio import QuartTrio

START_SECONDS_MAX = 300
Answer = dict[str, Any] | list[dict[str, Any]] | tuple[dict[str, Any], int]


@contextmanager
def openid_process(*users: dict[str, Any]) -> Iterator[str]:
    """The URL of an `oidc-provider-mock` that knows these users, by their claims."""
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", "0"]
    for claims in users:
        command += ["--user-claims", json.dumps(claims)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stderr is not None
            printed = ""
            while (found := re.search(r"running on (http://127\.0\.0\.1:\d+)", printed)) is None:
                line = process.stderr.readline()
                assert line, f"it ended; it printed: {printed}"
                printed += line
            yield found[1]
        finally:
            process.kill()


@asynccontextmanager
async def served(routes: Callable[[Blueprint], object]) -> AsyncIterator[str]:
    """The URL of a server with these routes."""
    app = QuartTrio(__name__, static_folder=None)
    blueprint = Blueprint("fake", __name__)
    routes(blueprint)
    app.register_blueprint(blueprint)
    config, stopping = Config(), trio.Event()
    config.bind = ["127.0.0.1:0"]
    async with trio.open_nursery() as nursery:
        with trio.fail_after(START_SECONDS_MAX):
            (url,) = await nursery.start(partial(serve, app, config, shutdown_trigger=stopping.wait))
        yield url
        stopping.set()


class FakeGitHub:
    """GitHub's three addresses, for one user whose every answer can be changed; it insists on PKCE."""

    code = "a-code"

    def __init__(self) -> None:
        self.challenge = ""
        self.secrets: list[str | None] = []
        self.token: Answer = {"access_token": "gho_secret", "token_type": "bearer", "scope": "user:email"}
        self.user: Answer = {"id": 4711, "login": "ada"}
        self.emails: Answer = [
            {"email": "other@example.com", "primary": False, "verified": True},
            {"email": "ada@example.com", "primary": True, "verified": True},
        ]

    def routes(self, blueprint: Blueprint) -> None:
        """Answer as told."""

        @blueprint.post("/login/oauth/access_token")
        async def token() -> Answer:
            form = await request.form
            self.secrets.append(form.get("client_secret"))
            digest = sha256(form.get("code_verifier", "").encode()).digest()
            if form.get("code") != self.code or urlsafe_b64encode(digest).decode().rstrip("=") != self.challenge:
                return {"error": "bad_verification_code", "error_description": "<script>alert(1)</script>"}
            return self.token

        @blueprint.get("/user")
        async def user() -> Answer:
            assert request.headers["Authorization"] == "Bearer gho_secret"
            return self.user

        @blueprint.get("/user/emails")
        async def emails() -> Answer:
            assert request.headers["Authorization"] == "Bearer gho_secret"
            return self.emails


class FakeOpenId:
    """An OpenID provider that signs whatever it is told, with whatever key."""

    def __init__(self, client_id: str) -> None:
        self.url = ""
        self.key = RSAKey.generate_key(2048, {"kid": "first"})
        self.published = [self.key]
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "first"}
        self.claims: dict[str, Any] = {"sub": "1", "email": "ada@example.com", "email_verified": True, "aud": client_id}
        self.told: dict[str, Any] = {}
        self.keys_read = 0

    def promise(self, nonce: str, /, **other: Any) -> None:
        """Make the next ID token a good one in answer to this nonce, but for what is said otherwise."""
        good = {"iss": self.url, "nonce": nonce, "iat": int(time.time()), "exp": int(time.time()) + 600}
        self.claims = {name: value for name, value in {**self.claims, **good, **other}.items() if value is not None}

    def routes(self, blueprint: Blueprint) -> None:
        """Answer as told."""

        @blueprint.get("/.well-known/openid-configuration")
        async def discovery() -> Answer:
            self.url = request.host_url.rstrip("/")
            return {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            }

        @blueprint.get("/jwks")
        async def jwks() -> Answer:
            self.keys_read += 1
            return {"keys": [{**key.as_dict(private=False), "kid": key.kid} for key in self.published]}

        @blueprint.post("/token")
        async def token() -> Answer:
            assert (await request.form)["client_secret"]
            id_token = jwt.encode(self.header, self.claims, self.key, algorithms=[self.header["alg"]])
            return {"access_token": "secret", "token_type": "Bearer", "id_token": id_token}

        @blueprint.get("/userinfo")
        async def userinfo() -> Answer:
            assert request.headers["Authorization"] == "Bearer secret"
            return self.told
