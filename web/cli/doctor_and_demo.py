"""The commands `llm-bus doctor` and `llm-bus demo`: their options, and how what they find and show is printed.

What they look at and perform is `web.cli.doctor` and `web.cli.demo`.
"""

import logging
from functools import partial

import click
import trio
from rich.text import Text

from web.cli import demo as demonstration
from web.cli.database import on_store
from web.cli.doctor import Finding, examine
from web.cli.options import Number, data_options, json_option, port_option, url_option
from web.cli.terminal import RESULTS, counted, say_json
from web.config import Settings, read_settings, read_token
from web.logs import configure_logs

_MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("fail", "bold red")}

_DOCTOR_EPILOG = """\b
Exit code 0: nothing is broken (warnings are not failures). 1: something is.
With LLM_BUS_TOKEN in the environment, the round trip goes to the running server, as
that token's participant, and writes nothing. Without, the doctor starts a server of
its own for a moment, in a project of its own that it removes again.
\b
  llm-bus doctor
  LLM_BUS_TOKEN=… llm-bus doctor --url https://bus.example.com
"""

_DEMO_EPILOG = """\b
Uses the server that runs here, or starts one for as long as the demo takes. All of it
happens in a project of its own, demo-1, demo-2, …, that belongs to the owner 'demo'.
On somebody else's server, with a lead's token in LLM_BUS_TOKEN, the agents take part
in that token's project under names of their own, and their tokens are revoked at the end.
\b
  llm-bus demo
  llm-bus demo --remove       remove all demo projects again
  LLM_BUS_TOKEN=… llm-bus demo --url https://bus.example.com
"""


@click.command(epilog=_DOCTOR_EPILOG)
@data_options
@port_option
@url_option("The server to look at; default: the one that would run here.")
@json_option
def doctor(url: str | None, *, as_json: bool, **flags: str | None) -> int:
    """Find what is wrong, and say what to do.

    Checks the database, its schema, clocks, the server, and a full MCP round trip.
    """
    settings = _quietly(read_settings(**flags))
    findings: list[Finding] = []

    def report(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            _show(finding)

    trio.run(partial(examine, settings, report, url=url, token=read_token()))
    healthy = all(finding.verdict != "fail" for finding in findings)
    if as_json:
        say_json({"healthy": healthy, "findings": findings})
    else:
        _conclude(findings)
    return 0 if healthy else 1


@click.command(epilog=_DEMO_EPILOG)
@data_options
@port_option
@url_option("Perform on this server, in the project of the token in LLM_BUS_TOKEN.")
@click.option(
    "--pace",
    type=Number(0, 10),
    default=0.7,
    show_default=True,
    metavar="SECONDS",
    help="Time to read along; 0 is as fast as it goes.",
)
@click.option("--remove", is_flag=True, help="Remove every demo project instead, with all that is in it.")
def demo(url: str | None, pace: float, *, remove: bool, **flags: str | None) -> None:
    """Watch five agents work together.

    They are real MCP clients: they claim numbers, meet in a file, hand work over and unblock each other's tasks.
    """
    settings = _quietly(read_settings(**flags))
    if remove:
        if url is not None:
            raise click.UsageError("--remove works on a database, not on a --url.")
        trio.run(on_store, settings, demonstration.remove)
    elif url is not None:
        token = read_token()
        if token is None:
            raise click.UsageError("--url needs a lead's token in LLM_BUS_TOKEN.")
        trio.run(demonstration.perform_as_guests, url, token, pace)
    else:
        trio.run(demonstration.perform_at_home, settings, pace)


def _quietly(settings: Settings) -> Settings:
    """Let a server of our own log only what is wrong."""
    configure_logs(settings.log_format, level=logging.WARNING)
    return settings


def _show(finding: Finding) -> None:
    mark, style = _MARKS[finding.verdict]
    RESULTS.print(Text.assemble((mark, style), (f"  {finding.check:<11}", "bold"), finding.says))
    if finding.todo:
        RESULTS.print(Text.assemble(" " * 17, ("→ ", style), finding.todo))


def _conclude(findings: list[Finding]) -> None:
    failures, warnings = (sum(finding.verdict == verdict for finding in findings) for verdict in ("fail", "warn"))
    if failures:
        begin = "needs you." if failures == 1 else "need you; begin with the first."
        text = f"{failures} of {counted(len(findings), 'finding')} {begin}"
    elif warnings:
        text = f"It works; {warnings} of {len(findings)} findings deserve{'s' * (warnings == 1)} a look."
    else:
        text = "All is well."
    RESULTS.print(Text(f"\n{text}", style="bold"))
