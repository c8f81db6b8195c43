"""A running server, for what the documents say of one."""

from tests.web.conftest import bus, token

__all__ = ["bus", "token"]
