"""How pages are rendered."""

import pytest
from jinja2 import UndefinedError
from quart_trio import QuartTrio

from actors import Limits
from tests.passes import counted_passes
from web import steps
from web.http.app import create_pages
from web.http.templates import SteppedEnvironment

ROWS = (
    "{% macro row(number) %}<b>{{ number }}</b>{% endmacro %}{% for number in numbers %}{{ row(number) }}{% endfor %}"
)


def environment() -> SteppedEnvironment:
    return SteppedEnvironment(QuartTrio(__name__))


async def test_others_run_while_a_page_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "STEP", Limits(slice_seconds_max=0))
    template = environment().from_string(ROWS)
    async with counted_passes() as passes:
        page = await template.render_async(numbers=range(100))
    assert page == "".join(f"<b>{number}</b>" for number in range(100))
    assert passes.count >= 90


async def test_a_mistake_in_a_template_is_raised() -> None:
    with pytest.raises(UndefinedError):
        await environment().from_string("{{ nothing.at.all }}").render_async()


def test_all_pages_are_rendered_so() -> None:
    assert isinstance(create_pages().jinja_env, SteppedEnvironment)
