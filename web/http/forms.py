"""How large a form may be, and how many fields it may have: strangers send forms, and reading one holds others up."""

from typing import Any, ClassVar
from urllib.parse import parse_qsl

from quart.formparser import FormDataParser, ParserFunc
from quart.wrappers.request import Body
from quart_trio.formparser import TrioFormDataParser
from quart_trio.wrappers import TrioRequest
from werkzeug.datastructures import MultiDict

FORM_BYTES_MAX = 120_000
"""What a browser sends for the longest text, 8,000 characters of twelve bytes each, and the fields beside it."""

FIELDS_MAX = 2_000
"""More than an owner has participants to tick."""


Read = tuple[MultiDict[str, Any], MultiDict[str, Any]]
"""Fields and files."""


async def _read_fields(
    parser: FormDataParser, body: Body, mimetype: str, length: int | None, options: dict[str, str]
) -> Read:
    fields = parse_qsl((await body).decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    kind = parser.cls or MultiDict
    return kind(fields), kind()


class BoundedForms(TrioFormDataParser):
    """Reads what the pages' forms send; one of another kind, or with too many fields, is as good as empty."""

    parse_functions: ClassVar[dict[str, ParserFunc]] = {  # type: ignore[misc]  # Quart does not say so of its own
        "application/x-www-form-urlencoded": _read_fields,
        "application/x-url-encoded": _read_fields,
    }


class PageRequest(TrioRequest):
    """A request to a page."""

    form_data_parser_class = BoundedForms
