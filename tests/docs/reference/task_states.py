"""The picture of a task's states: one arrow for each row of `engine.tasks.TRANSITIONS`, in an SVG that needs nothing.

Where the states stand is said here; a state or an arrow that this cannot draw is an error, not a gap in the picture.
"""

from engine.tasks import TRANSITIONS

_PLACES = {"open": (80, 60), "assigned": (290, 60), "in_progress": (500, 60), "done": (710, 60), "blocked": (500, 190)}
_ENDS_ANY = "cancelled"
"""Reached by `task_cancel` from every state but the last. Said in words: arrows from everywhere would hide the rest."""

_HALF_WIDTH, _HALF_HEIGHT = 60, 20
_STYLE = """\
.state { fill: #e8f0fe; stroke: #3b6fd4; } .name { fill: #1f2733; font-weight: 600; }
.by { fill: #5b6675; font-size: 12px; }
.arrow { stroke: #3b6fd4; stroke-width: 1.5; fill: none; marker-end: url(#tip); } .tip { fill: #3b6fd4; }
@media (prefers-color-scheme: dark) {
  .state { fill: #1d2f52; stroke: #6f9bf0; } .name { fill: #e7ebf0; } .by { fill: #a3adba; }
  .arrow { stroke: #6f9bf0; } .tip { fill: #6f9bf0; }
}"""


def task_states_picture() -> str:
    """The SVG."""
    moves: dict[tuple[str, str], list[str]] = {}
    for (before, by), after in TRANSITIONS.items():
        if after != _ENDS_ANY:
            moves.setdefault((before, after), []).append(by)
    arrows = [_arrow(before, after, ", ".join(by)) for (before, after), by in moves.items()]
    states = dict.fromkeys(state for pair in moves for state in pair)
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -14 790 274" role="img" aria-labelledby="title" '
            'font-family="system-ui, sans-serif" font-size="15" text-anchor="middle">',
            '<title id="title">The states of a task, and the events that move it</title>',
            f"<style>\n{_STYLE}\n</style>",
            '<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
            '<path class="tip" d="M0 0 10 5 0 10z"/></marker>',
            *arrows,
            *map(_state, states),
            '<text class="by" x="185" y="190">task_cancel ends a task in any state but done: cancelled</text>',
            "</svg>\n",
        ]
    )


def _state(name: str) -> str:
    x, y = _PLACES[name]
    box = f'<rect class="state" x="{x - _HALF_WIDTH}" y="{y - _HALF_HEIGHT}" width="120" height="40" rx="20"/>'
    return f'{box}<text class="name" x="{x}" y="{y + 5}">{name}</text>'


def _arrow(before: str, after: str, by: str) -> str:
    (x, y), (x2, y2) = _PLACES[before], _PLACES[after]
    if before == after:
        outwards = 1 if y > _PLACES["open"][1] else -1
        edge, far = y + outwards * _HALF_HEIGHT, y + outwards * (_HALF_HEIGHT + 42)
        loop = f"M{x - 20} {edge} C{x - 50} {far} {x + 50} {far} {x + 20} {edge}"
        return _drawn(loop, x, far + (4 if outwards > 0 else 2), by)
    if y == y2 and x2 > x:
        return _drawn(f"M{x + _HALF_WIDTH} {y} H{x2 - _HALF_WIDTH}", (x + x2) / 2, y - 8, by)
    if x == x2:
        down = y2 > y
        side = x - 18 if down else x + 18
        ends = (y + _HALF_HEIGHT, y2 - _HALF_HEIGHT) if down else (y - _HALF_HEIGHT, y2 + _HALF_HEIGHT)
        return _drawn(f"M{side} {ends[0]} V{ends[1]}", side + (-46 if down else 50), (y + y2) / 2 + 4, by)
    raise NotImplementedError(f"an arrow from {before} to {after}")


def _drawn(path: str, x: float, y: float, by: str) -> str:
    return f'<path class="arrow" d="{path}"/><text class="by" x="{x:g}" y="{y:g}">{by}</text>'
