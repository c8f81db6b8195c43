"""Templates that are rendered in short steps: a page takes milliseconds, in which others' calls would wait."""

from contextlib import aclosing
from typing import Any

from jinja2 import Template
from quart.templating import Environment

from web.steps import short_steps


class SteppedTemplate(Template):
    """Gives way between the parts that a template yields."""

    async def render_async(self, *args: Any, **kwargs: Any) -> str:
        """The whole page."""
        pace = short_steps()
        written: list[str] = []
        async with aclosing(self.generate_async(*args, **kwargs)) as parts:
            async for part in parts:
                written.append(part)
                await pace.give_way_when_spent()
        return "".join(written)


class SteppedEnvironment(Environment):
    """Quart's, with these templates."""

    template_class = SteppedTemplate
