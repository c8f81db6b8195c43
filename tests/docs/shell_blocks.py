"""The shell blocks of a page, and the one script that runs them as a reader would.

A block is a fence of `sh`. It is run unless a comment right before it says why it cannot be here:
`<!-- not run: needs systemd -->`. A line that starts a server is run beside the others, which go on once it listens.
A fence of `text` right after a block is what the block prints; `…` in it stands for anything, and on a line of its own
for any lines or none. Lines that say what is under way are left out.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from tests.web.command_line import without_progress

START_SECONDS_MAX = 300

_FENCE = re.compile(
    r"^(?: *<!-- not run:(?P<reason>[^\n]*?)-->\n\n?)?^(?P<indent> *)```(?P<language>sh|bash|shell|console|zsh)\n"
    r"(?P<text>.*?)^(?P=indent)```$"
    r"(?:\n\n^(?P=indent)```text\n(?P<prints>.*?)^(?P=indent)```$)?",
    re.MULTILINE | re.DOTALL,
)
_SERVES = re.compile(
    r"^(?P<command>(?:\w+=\S+\s+)*(?:make up|(?:\S*/)?llm-bus (?:up|serve)\b(?! --help)).*?)(?:\s+#.*)?$"
)

_SECTION = re.compile(r"^— line (\d+)\n", re.MULTILINE)

_BEGINNING = f"""\
set -eu
stop() {{
    for job in $(jobs -p); do kill -TERM "$job" || true; done
    wait
}}
trap stop EXIT
listens() {{
    for _ in $(seq {START_SECONDS_MAX * 10}); do
        if grep -q '^listening on ' "$SERVED"; then return; fi
        kill -0 "$1" || break
        sleep 0.1
    done
    cat "$SERVED"
    echo "it does not listen"
    exit 1
}}
"""


class Block(Struct, frozen=True, kw_only=True):
    """One block; `reason` says why it is not run, None that it is; `prints` what the page says that it prints."""

    line: int
    language: str
    text: str
    reason: str | None = None
    prints: str | None = None

    def is_answered_by(self, output: str) -> bool:
        """Whether it printed what the page says."""
        if self.prints is None:
            return True
        wanted = "".join(map(_pattern_of, self.prints.strip().splitlines()))
        return re.fullmatch(wanted, f"{without_progress(output).strip()}\n", re.DOTALL) is not None


def blocks_of(page: str) -> list[Block]:
    """All shell blocks of a page, in order."""
    return [
        Block(
            line=page.count("\n", 0, found.start("language")) + 1,
            language=found["language"],
            text=_without_indent(found["text"], found["indent"]),
            reason=None if found["reason"] is None else found["reason"].strip(),
            prints=None if found["prints"] is None else _without_indent(found["prints"], found["indent"]),
        )
        for found in _FENCE.finditer(page)
    ]


def script_of(blocks: Sequence[Block]) -> str:
    """What bash is to run; it needs `SERVED`, where to write what servers print."""
    parts = [f"echo '— line {block.line}'\n{_with_servers(block.text)}" for block in blocks if block.reason is None]
    return _BEGINNING + "\n".join(parts)


def outputs_of(printed: str) -> dict[int, str]:
    """What each block printed, by its line, from what the script did."""
    _, *parts = _SECTION.split(printed)
    return dict(zip(map(int, parts[::2]), parts[1::2], strict=True))


def _pattern_of(line: str) -> str:
    return r"(?:.*\n)?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"


def _without_indent(text: str, indent: str) -> str:
    return re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)


def _with_servers(text: str) -> str:
    return "\n".join(map(_beside, text.splitlines())) + "\n"


def _beside(line: str) -> str:
    if (found := _SERVES.match(line)) is None:
        return line
    return f': > "$SERVED"; {found["command"]} > "$SERVED" 2>&1 &\nlistens $!; cat "$SERVED"'
