"""The rules for agents, as instruction files and servers tell them."""

from __future__ import annotations

from kit.bundle import text


def protocol() -> str:
    """How to coordinate on the bus: what a server tells every client that connects."""
    return text("instructions/member.md").strip()


def repository_rules(*, lead: bool) -> str:
    """The text of a repository's instruction file: the repository's own rules; a lead's has more."""
    names = ("repository.md", "lead.md") if lead else ("repository.md",)
    return "\n\n".join(text(f"instructions/{name}").strip() for name in names)
