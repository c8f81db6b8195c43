"""What the outside sees: the MCP endpoint, the web app and the command line."""
