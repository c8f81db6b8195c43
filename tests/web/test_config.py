"""Settings from flags and the environment, and what is said of nonsense."""

import re
from pathlib import Path

import pytest

from web.config import Settings, read_settings
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
    ],
)
def test_nonsense_is_refused_by_the_name_of_the_variable(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"{variable} is '{value}'")):
        read_settings({variable: value})


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:99"), ("0.0.0.0", "http://127.0.0.1:99"), ("::1", "http://[::1]:99")],
)
def test_the_public_url_is_the_local_one_unless_given(host: str, url: str) -> None:
    assert read_settings({}, host=host, port=0).bound_to(99).public_url == url
    given = read_settings({"PUBLIC_URL": "https://bus.example.com"}, host=host)
    assert given.bound_to(99).public_url == "https://bus.example.com"


def test_a_public_url_with_credentials_is_refused_without_repeating_them() -> None:
    with pytest.raises(ConfigurationError, match=r"^PUBLIC_URL holds credentials") as refused:
        read_settings({"PUBLIC_URL": "https://ada:secret@bus.example.com"})
    assert "secret" not in str(refused.value)
