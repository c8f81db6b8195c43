"""What hooks on other machines tell the server by plain HTTP, beside the MCP endpoint: `POST /hook/<client>`."""
