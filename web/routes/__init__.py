"""The public routes beside `/mcp` and the pages: probes, metrics, discovery, `/join` and `/kit`."""
