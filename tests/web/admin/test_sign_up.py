"""Whose email may become an owner's by signing in."""

import pytest

from web.admin.sign_up import may_sign_up

POLICY = ("example.com", "books.example")


@pytest.mark.parametrize("email", ["ann@example.com", "ann@EXAMPLE.com", "ann@BOOKS.example"])
def test_a_domain_admits_its_own_emails(email: str) -> None:
    assert may_sign_up(POLICY, email)


@pytest.mark.parametrize(
    "email",
    [
        "x@evil.com@example.com",
        "x@example.com@evil.com",
        '"x@example.com"@evil.com',
        "ann@sub.example.com",
        "ann@example.com.evil.com",
        "@example.com",
        "example.com",
        "ann@boo\N{KELVIN SIGN}s.example",
        "",
    ],
)
def test_a_domain_admits_nobody_else(email: str) -> None:
    assert not may_sign_up(POLICY, email)
