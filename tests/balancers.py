"""Real balancers with the files of docs/deploy, in front of servers on this machine; only TLS is left out."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from tests.ports import free_port

DEPLOY = Path(__file__).parents[1] / "docs" / "deploy"
NGINX, NGINX_SERVERS, HAPROXY = (DEPLOY / name for name in ("nginx.conf", "nginx.servers.conf", "haproxy.cfg"))
ENVOY, ENVOY_SERVERS = DEPLOY / "envoy.yaml", DEPLOY / "envoy.servers.yaml"
CADDY = DEPLOY / "Caddyfile"
START_SECONDS_MAX = 300
LOOK_SECONDS = 0.02

AROUND_NGINX = """\
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
worker_processes 1;
{user}
events {{ worker_connections 2048; }}
http {{
	access_log off;
	{temporary}
	include {site};
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Balancer:
    """A running one; `configure` writes its file for servers at these ports.

    `on_reload` has it read that; None: it notices the file by itself.
    """

    port: int
    process: subprocess.Popen[bytes]
    configure: Callable[[Sequence[int]], None]
    on_reload: signal.Signals | None

    def lead_to(self, ports: Sequence[int]) -> None:
        """Spread calls over these servers from now on, as an operator does: by a changed file and a reload."""
        self.configure(ports)
        if self.on_reload is not None:
            self.process.send_signal(self.on_reload)


def around_nginx(directory: Path, site: Path) -> str:
    """The main file of an nginx that keeps to a directory and serves this site."""
    temporary = " ".join(f"{kind}_temp_path {directory}/{kind};" for kind in TEMPORARY)
    user = "user root;" if os.geteuid() == 0 else ""
    return AROUND_NGINX.format(directory=directory, temporary=temporary, site=site, user=user)


def site_of(port: int, servers: Sequence[int], *, by_project: bool = True) -> str:
    """The two files for nginx as one, without TLS."""
    upstream = _with_servers(
        NGINX_SERVERS.read_text("utf-8"), r"\tserver 10\.0\.0\.1\d:8787(.*);", "\tserver {}{};", servers
    )
    if not by_project:
        upstream = re.sub(r"\thash .*;\n", "", upstream)
    site = re.sub(r"upstream llm_bus \{.*?\n\}\n", lambda _: upstream, NGINX.read_text("utf-8"), flags=re.DOTALL)
    site = re.sub(r"\tssl_.*\n|\tlisten \[::\].*\n", "", site)
    return site.replace("listen 443 ssl", f"listen 127.0.0.1:{port}")


def haproxy_of(port: int, servers: Sequence[int], *, by_project: bool = True) -> str:
    """The file for HAProxy, without TLS."""
    text = re.sub(r"bind :443.*", f"bind 127.0.0.1:{port}", HAPROXY.read_text("utf-8"))
    text = _with_servers(text, r"\tserver bus\d 10\.0\.0\.1\d:8787(.*)", "\tserver bus{0} {0}{1}", servers)
    return text if by_project else re.sub(r"balance hash .*", "balance roundrobin", text)


def envoy_of(port: int, servers: Path, *, by_project: bool = True) -> str:
    """The file for Envoy, without TLS, which finds the servers in this file."""
    text = ENVOY.read_text("utf-8").replace("/etc/envoy/envoy.servers.yaml", str(servers))
    text = text.replace("address: 0.0.0.0, port_value: 443", f"address: 127.0.0.1, port_value: {port}")
    text = re.sub(r"- transport_socket:.*?\n {10}filters:", "- filters:", text, flags=re.DOTALL)
    return text if by_project else re.sub(r"hash_policy:.*?substitution: [^\n]*\n", "\n", text, flags=re.DOTALL)


def envoy_servers_of(servers: Sequence[int]) -> str:
    """The file with Envoy's servers."""
    one = r"( +- endpoint: .*)address: 10\.0\.0\.1\d, port_value: 8787(.*)"
    line = re.search(one, text := ENVOY_SERVERS.read_text("utf-8"))
    assert line is not None
    lines = "".join(f"{line[1]}address: 127.0.0.1, port_value: {port}{line[2]}\n" for port in servers)
    return re.sub(rf"(?:{one}\n)+", lambda _: lines, text)


def caddy_of(port: int, servers: Sequence[int]) -> str:
    """The file for Caddy, without TLS and for any host."""
    upstreams = " ".join(f"127.0.0.1:{server}" for server in servers)
    text = re.sub(r"^\{\$LLM_BUS_SITE.*\{$", f"http://:{port} {{", CADDY.read_text("utf-8"), flags=re.MULTILINE)
    forwarding = f"reverse_proxy {upstreams} {{\n\t\t\theader_up X-Request-ID {{http.request.uuid}}\n\t\t}}"
    return "{\n\tadmin off\n}\n" + re.sub(r"reverse_proxy .*", forwarding, text)


def _with_servers(text: str, pattern: str, line: str, ports: Sequence[int]) -> str:
    """The text with one line of this form for each port, in the place of those that match."""
    first = re.search(pattern, text)
    assert first is not None
    lines = "\n".join(line.format(f"127.0.0.1:{port}", first[1]) for port in ports)
    return re.sub(rf"(?:{pattern}\n)+", lambda _: f"{lines}\n", text)


@asynccontextmanager
async def nginx(directory: Path, servers: Sequence[int], *, by_project: bool = True) -> AsyncIterator[Balancer]:
    """An nginx in front of the servers at these ports."""
    port, program = free_port(), installed("nginx")
    site, main = directory / "site.conf", directory / "nginx.conf"
    main.write_text(around_nginx(directory, site))

    def configure(ports: Sequence[int]) -> None:
        site.write_text(site_of(port, ports, by_project=by_project))

    configure(servers)
    command = [program, "-c", str(main), "-p", str(directory)]
    async with _running(command, directory / "nginx.log", port) as process:
        yield Balancer(port, process, configure, signal.SIGHUP)


@asynccontextmanager
async def haproxy(directory: Path, servers: Sequence[int], *, by_project: bool = True) -> AsyncIterator[Balancer]:
    """An HAProxy in front of the servers at these ports."""
    port, program = free_port(), installed("haproxy")
    config = directory / "haproxy.cfg"

    def configure(ports: Sequence[int]) -> None:
        config.write_text(haproxy_of(port, ports, by_project=by_project))

    configure(servers)
    async with _running([program, "-W", "-db", "-f", str(config)], directory / "haproxy.log", port) as process:
        yield Balancer(port, process, configure, signal.SIGUSR2)


@asynccontextmanager
async def envoy(directory: Path, servers: Sequence[int], *, by_project: bool = True) -> AsyncIterator[Balancer]:
    """An Envoy in front of the servers at these ports."""
    port, program = free_port(), installed("envoy")
    config, of_servers = directory / "envoy.yaml", directory / "envoy.servers.yaml"
    config.write_text(envoy_of(port, of_servers, by_project=by_project))

    def configure(ports: Sequence[int]) -> None:
        new = of_servers.with_suffix(".new")
        new.write_text(envoy_servers_of(ports))
        new.rename(of_servers)

    configure(servers)
    command = [program, "--config-path", str(config), "--use-dynamic-base-id", "--concurrency", "1"]
    async with _running(command, directory / "envoy.log", port) as process:
        yield Balancer(port, process, configure, None)


@asynccontextmanager
async def caddy(directory: Path, servers: Sequence[int]) -> AsyncIterator[Balancer]:
    """A Caddy in front of the servers at these ports. It also gives each request an id, as the others do."""
    port, program = free_port(), installed("caddy")
    config = directory / "Caddyfile"

    def configure(ports: Sequence[int]) -> None:
        config.write_text(caddy_of(port, ports))

    configure(servers)
    command = [program, "run", "--config", str(config), "--adapter", "caddyfile"]
    async with _running(command, directory / "caddy.log", port) as process:
        yield Balancer(port, process, configure, signal.SIGUSR1)


@asynccontextmanager
async def _running(command: Sequence[str], log: Path, port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    with log.open("ab") as said:
        # Envoy ends with the thread that started it, and threads of Trio end after ten idle seconds.
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)  # noqa: ASYNC220
    try:
        with trio.fail_after(START_SECONDS_MAX):
            while not await _listens(port):
                assert process.poll() is None, f"it did not start; its log is {log}"
                await trio.sleep(LOOK_SECONDS)
        yield process
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(process.wait)


def installed(name: str) -> str:
    """Where a program is that may not be on the path of who is not root; without it the test is skipped."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed: its file is not tried on this machine")
    return path


async def _listens(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True
