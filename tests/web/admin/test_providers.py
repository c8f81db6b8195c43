"""What an OpenID provider's answer must be before anybody is let in by it, and where providers are set up."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from tests.web.admin.fake_providers import FakeOpenId, served
from web.admin.providers import LEEWAY_SECONDS, Challenge, Identity, OpenId, callback_url, providers_of
from web.config import Client, Settings
from web.errors import IdentityRefused, ProviderSilent

CLIENT = Client(id="bus", secret="client-secret")
CHALLENGE = Challenge(state="state", nonce="nonce", verifier="v" * 43)
DAY_SECONDS = 24 * 3600
"""Times below are counted from when the tests are collected, which may be an hour before they run."""


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenId]:
    fake = FakeOpenId(CLIENT.id)
    async with served(fake.routes) as fake.url:
        fake.promise(CHALLENGE.nonce)
        yield fake


def known_as(fake: FakeOpenId) -> OpenId:
    discovery = f"{fake.url}/.well-known/openid-configuration"
    return OpenId("oidc", "The provider", discovery, CLIENT, "https://bus.example.com")


async def test_a_good_answer_names_issuer_subject_and_email(fake: FakeOpenId) -> None:
    identity = await known_as(fake).identify("code", CHALLENGE)
    assert identity == Identity(issuer=fake.url, subject="1", email="ada@example.com")


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"aud": ["bus", "another"], "azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": int(time.time()) - 2 * LEEWAY_SECONDS},
        {"exp": "never"},
        {"exp": None},
        {"nbf": int(time.time()) + DAY_SECONDS},
        {"sub": None},
        {"sub": 7},
    ],
)
async def test_an_id_token_that_is_not_about_this_sign_in_is_refused(fake: FakeOpenId, wrong: dict[str, Any]) -> None:
    fake.promise(CHALLENGE.nonce, **wrong)
    with pytest.raises(IdentityRefused, match="does not belong"):
        await known_as(fake).identify("code", CHALLENGE)


async def test_an_id_token_that_somebody_else_signed_is_refused(fake: FakeOpenId) -> None:
    fake.key = RSAKey.generate_key(2048, {"kid": "first"})
    with pytest.raises(IdentityRefused, match="does not belong"):
        await known_as(fake).identify("code", CHALLENGE)


async def test_a_shared_secret_signs_nothing(fake: FakeOpenId) -> None:
    fake.key = OctKey.import_key(CLIENT.secret * 4)  # type: ignore[assignment]  # what only we should know
    fake.header = {"alg": "HS256"}
    with pytest.raises(IdentityRefused, match="does not belong"):
        await known_as(fake).identify("code", CHALLENGE)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_an_id_token_without_a_signature_is_refused(fake: FakeOpenId) -> None:
    fake.key = OctKey.import_key("unused")  # type: ignore[assignment]  # nothing is signed with it
    fake.header = {"alg": "none"}
    with pytest.raises(IdentityRefused, match="does not belong"):
        await known_as(fake).identify("code", CHALLENGE)


async def test_keys_are_read_once_and_again_when_they_change(fake: FakeOpenId) -> None:
    provider = known_as(fake)
    for _ in range(3):
        await provider.identify("code", CHALLENGE)
    assert fake.keys_read == 1
    fake.key = RSAKey.generate_key(2048, {"kid": "second"})
    fake.published.append(fake.key)
    fake.header = {"alg": "RS256", "kid": "second"}
    assert (await provider.identify("code", CHALLENGE)).subject == "1"
    assert fake.keys_read == 2


@pytest.mark.parametrize("verified", [False, None, "false", 1, "yes"])
async def test_an_email_counts_only_when_the_provider_has_verified_it(fake: FakeOpenId, verified: object) -> None:
    fake.promise(CHALLENGE.nonce, email_verified=verified)
    with pytest.raises(IdentityRefused, match="has not verified your email"):
        await known_as(fake).identify("code", CHALLENGE)


async def test_an_email_that_is_not_in_the_token_is_asked_for(fake: FakeOpenId) -> None:
    fake.promise(CHALLENGE.nonce, email=None, email_verified=None)
    fake.told = {"sub": "1", "email": "told@example.com", "email_verified": "true"}
    assert (await known_as(fake).identify("code", CHALLENGE)).email == "told@example.com"
    fake.told["sub"] = "2"
    with pytest.raises(IdentityRefused, match="two different people"):
        await known_as(fake).identify("code", CHALLENGE)
    fake.told = {"sub": "1"}
    with pytest.raises(IdentityRefused, match="has not verified"):
        await known_as(fake).identify("code", CHALLENGE)


async def test_an_id_token_does_not_vouch_for_the_email_of_userinfo(fake: FakeOpenId) -> None:
    fake.promise(CHALLENGE.nonce, email=None, email_verified=True)
    fake.told = {"sub": "1", "email": "told@example.com"}
    with pytest.raises(IdentityRefused, match="has not verified"):
        await known_as(fake).identify("code", CHALLENGE)


@pytest.mark.parametrize("wrong", [{"email": "ada\0@example.com"}, {"sub": "1\0"}])
async def test_an_identity_that_no_database_can_hold_is_refused(fake: FakeOpenId, wrong: dict[str, Any]) -> None:
    fake.promise(CHALLENGE.nonce, **wrong)
    with pytest.raises(IdentityRefused, match="characters"):
        await known_as(fake).identify("code", CHALLENGE)


async def test_a_provider_whose_discovery_makes_no_sense_is_silent(fake: FakeOpenId) -> None:
    wrong = OpenId("oidc", "The provider", f"{fake.url}/jwks", CLIENT, "https://bus.example.com")
    with pytest.raises(ProviderSilent, match=r"^The provider does not answer as it should\."):
        await wrong.address(CHALLENGE)


def test_the_providers_are_those_that_are_set_up() -> None:
    everything = {"google": CLIENT, "github": CLIENT, "oidc": CLIENT, "oidc_discovery_url": "https://id.example/"}
    settings = Settings(data_dir=Path("unused"), admin_auth="oauth", **everything)  # type: ignore[arg-type]  # mixed
    assert list(providers_of(settings)) == ["google", "github", "oidc"]
    assert providers_of(Settings(data_dir=Path("unused"), google=CLIENT)) == {}


def test_providers_send_browsers_back_to_one_address_each() -> None:
    assert callback_url("https://bus.example.com", "github") == "https://bus.example.com/admin/oauth/github/callback"
