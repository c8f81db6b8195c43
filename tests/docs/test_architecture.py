"""The architecture page shows what the code says."""

from pathlib import Path

from engine.tasks import TRANSITIONS

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def test_the_picture_of_a_task_is_the_table_of_its_transitions() -> None:
    drawn = PAGE.read_text("utf-8").partition("<!-- transitions -->")[2].partition("<!-- /transitions -->")[0]
    rows = [f"    {before} --> {after}: {by}" for (before, by), after in TRANSITIONS.items()]
    assert drawn.strip() == "\n".join(["```mermaid", "stateDiagram-v2", *rows, "```"])


def test_every_decision_is_linked_and_every_link_leads_somewhere() -> None:
    text = PAGE.read_text("utf-8")
    pages = {page.name for page in (PAGE.parent / "decisions").glob("*.md")}
    assert {name for name in pages if f"decisions/{name}" in text} == pages
