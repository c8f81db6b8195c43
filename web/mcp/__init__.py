"""`/mcp`: the endpoint, the 27 tools, and a call's way from bytes to a command and back."""
