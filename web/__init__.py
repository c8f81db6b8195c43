"""The surface of the product: the MCP endpoint, the web app and the command line."""

from importlib.metadata import version

VERSION = version("llm-bus")
"""This program's version, as it was installed."""
