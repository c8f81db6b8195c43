"""Settings from flags and the environment, and what is said of nonsense."""

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from web.config import Client, Settings, read_settings
from web.errors import ConfigurationError


def test_nothing_given_is_enough() -> None:
    settings = read_settings({})
    assert (settings.host, settings.port, settings.database_url) == ("127.0.0.1", 8787, None)
    assert (settings.public_url, settings.allowed_hosts, settings.log_format) == (None, (), "text")
    assert settings.data_dir.name == "llm-bus"


def test_the_environment_is_heard_and_flags_go_before_it() -> None:
    environ = {
        "DATABASE_URL": "postgresql://db/bus",
        "LLM_BUS_DATA_DIR": "/var/lib/bus",
        "HOST": "0.0.0.0",
        "PORT": "80",
        "PUBLIC_URL": "https://bus.example.com/",
        "ALLOWED_HOSTS": " a.example , b.example,",
        "LOG_FORMAT": "json",
    }
    settings = read_settings(environ, port="90", host=None)
    assert settings == Settings(
        database_url="postgresql://db/bus",
        data_dir=Path("/var/lib/bus"),
        host="0.0.0.0",
        port=90,
        public_url="https://bus.example.com",
        allowed_hosts=("a.example", "b.example"),
        log_format="json",
    )


@pytest.mark.parametrize("address", ["::1", "::", "fe80::1%eth0"])
def test_an_address_of_ipv6_may_have_the_brackets_that_it_has_in_urls(address: str) -> None:
    for settings in (read_settings({"HOST": f"[{address}]"}), read_settings({}, host=f"[{address}]")):
        assert settings == read_settings({"HOST": address})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "٣"),
        ("PUBLIC_URL", "bus.example.com"),
        ("PUBLIC_URL", "ftp://bus.example.com"),
        ("PUBLIC_URL", "https://bus.example.com:port"),
        ("PUBLIC_URL", "https://bus.example.com/?a=b"),
        ("PUBLIC_URL", "https://bus.example.com/mcp"),
        ("PUBLIC_URL", "https://bus .example.com"),
        ("ALLOWED_HOSTS", "a.example,https://bus.example.com"),
        ("ALLOWED_HOSTS", "*.example.com"),
        ("LOG_FORMAT", "xml"),
        ("ADMIN_AUTH", "password"),
        ("ADMIN_EMAIL_HEADER", "x email"),
        ("TRUSTED_PROXIES", "proxy.example.com"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("SIGNUP", "maybe"),
        ("SIGNUP", "*.example.com"),
        ("SIGNUP", "example.com,https://example.org"),
        ("OIDC_DISCOVERY_URL", "http://id.example.com/.well-known/openid-configuration"),
        ("OIDC_DISCOVERY_URL", "id.example.com"),
        ("OAUTH_REDIRECT_BASE", "https://bus.example.com/admin"),
    ],
)
def test_nonsense_is_refused_by_the_name_of_the_variable(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"{variable} is '{value}'")):
        read_settings({variable: value})


def test_a_data_directory_may_begin_with_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert read_settings({"LLM_BUS_DATA_DIR": "~/bus"}).data_dir == Path("/home/ann/bus")


@pytest.mark.parametrize("url", ["mysql://bus:hunter2@db/bus", "hunter2"])
def test_a_database_url_that_cannot_be_read_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL is neither") as refused:
        read_settings({"DATABASE_URL": url})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:99"), ("0.0.0.0", "http://127.0.0.1:99"), ("::1", "http://[::1]:99")],
)
def test_the_public_url_is_the_local_one_unless_given(host: str, url: str) -> None:
    assert read_settings({}, host=host, port=0).bound_to(99).public_url == url
    given = read_settings({"PUBLIC_URL": "https://bus.example.com"}, host=host)
    assert given.bound_to(99).public_url == "https://bus.example.com"


def test_owners_sign_in_by_link_unless_told_otherwise() -> None:
    settings = read_settings({})
    assert (settings.admin_auth, settings.signup) == ("link", "closed")
    assert settings.admin_email_header == "x-auth-request-email"
    assert settings.trusted_proxies == (ip_network("127.0.0.0/8"), ip_network("::1"))
    assert (settings.google, settings.github, settings.oidc) == (None, None, None)


def test_all_that_is_about_signing_in_is_heard() -> None:
    environ = {
        "ADMIN_AUTH": "oauth",
        "ADMIN_EMAIL_HEADER": "X-Email",
        "TRUSTED_PROXIES": "10.1.2.3/8, ::1 ,192.0.2.7",
        "SIGNUP": "Example.com, @example.org",
        "GOOGLE_CLIENT_ID": "g",
        "GOOGLE_CLIENT_SECRET": "gs",
        "GITHUB_CLIENT_ID": "h",
        "GITHUB_CLIENT_SECRET": "hs",
        "OIDC_DISCOVERY_URL": "http://127.0.0.1:9400/.well-known/openid-configuration",
        "OIDC_CLIENT_ID": "o",
        "OIDC_CLIENT_SECRET": "os",
        "OAUTH_REDIRECT_BASE": "https://bus.example.com/",
    }
    settings = read_settings(environ)
    assert settings.admin_auth == "oauth"
    assert settings.admin_email_header == "x-email"
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"), ip_network("192.0.2.7"))
    assert settings.signup == ("example.com", "example.org")
    assert settings.google == Client(id="g", secret="gs")
    assert settings.github == Client(id="h", secret="hs")
    assert settings.oidc == Client(id="o", secret="os")
    assert settings.oauth_redirect_base == "https://bus.example.com"


def test_nobody_can_be_trusted_too() -> None:
    assert read_settings({"TRUSTED_PROXIES": "none"}).trusted_proxies == ()


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"ADMIN_AUTH": "oauth"}, "no provider"),
        ({"GOOGLE_CLIENT_ID": "g"}, "GOOGLE_CLIENT_SECRET is missing"),
        ({"GITHUB_CLIENT_SECRET": "hs"}, "GITHUB_CLIENT_ID is missing"),
        ({"OIDC_CLIENT_ID": "o", "OIDC_CLIENT_SECRET": "os"}, "OIDC_DISCOVERY_URL"),
        ({"OIDC_DISCOVERY_URL": "https://id.example.com/"}, "OIDC_CLIENT_ID"),
    ],
)
def test_half_of_a_provider_is_refused(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_settings(environ)


def test_a_secret_is_never_repeated() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_settings({"GITHUB_CLIENT_SECRET": "hunter2"})
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(read_settings({"GITHUB_CLIENT_ID": "h", "GITHUB_CLIENT_SECRET": "hunter2"}))


def test_a_public_url_with_credentials_is_refused_without_repeating_them() -> None:
    with pytest.raises(ConfigurationError, match=r"^PUBLIC_URL holds credentials") as refused:
        read_settings({"PUBLIC_URL": "https://ada:secret@bus.example.com"})
    assert "secret" not in str(refused.value)
