"""Which bus the command line asks directly, whatever proxies the environment names."""

AROUND_PROXIES = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}
"""HTTP_PROXY is for the world outside: a bus on this machine is asked directly, and its tokens stay here."""
