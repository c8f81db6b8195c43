"""`/mcp`: the endpoint, the tools, and a call's way from bytes to a command and back."""
