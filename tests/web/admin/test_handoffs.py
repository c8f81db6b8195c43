"""Handoffs: the owner reads, writes, answers and acknowledges them as the bare handle, and agents see it."""

import html

import pytest

from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import fields_of, links_of, text_of, wrong_in
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus
from web.admin.markdown import PIECES_MAX, rendered
from web.admin.posts import THREAD_PIECES_MAX
from web.http.forms import FIELDS_MAX, FORM_BYTES_MAX

NEW = {"to_actor": "", "to_lane": "", "subject": "", "body": "Please look.", "ref": "", "tag": ""}


async def test_what_an_owner_writes_reaches_the_agent_under_the_bare_handle(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint("scout")
    there = await project_of(bus, ada)
    at = await ada.change(f"{there}/handoffs/new", **NEW | {"to_actor": "scout", "subject": "Rounding", "ref": "PR-7"})
    said = text_of(await ada.page(at))
    assert "Your handoff is sent." in said
    assert "Please look." in said
    (post,) = (await bus.call(token, "read_posts", to_me=True))["posts"]
    assert (post["from"], post["subject"], post["body"]) == ("ada", "Rounding", "Please look.")
    assert "Rounding ada to scout" in text_of(await ada.page(f"{there}/handoffs"))
    assert "waiting for 1" in text_of(await ada.page(f"{there}/handoffs"))
    await bus.call(token, "ack", post_id=post["post_id"])
    assert "Every handoff is acknowledged" in text_of(await ada.page(f"{there}/handoffs"))
    assert "Rounding ada to scout" in text_of(await ada.page(f"{there}/handoffs", view="all"))


async def test_a_post_to_the_owner_is_answered_and_acknowledged(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint("scout")
    there = await project_of(bus, ada)
    asked = await bus.call(token, "post", to_actor="ada", subject="Half to even?", body="As the books do.")
    post = f"{there}/posts/{asked['post_id']}"
    assert "For me 1" in text_of(await ada.page(f"{there}/handoffs", view="mine"))
    await ada.change(f"{post}/ack")
    assert "Nothing waits for you" in text_of(await ada.page(f"{there}/handoffs", view="mine"))
    await ada.change(f"{post}/reply", body="Yes.\n\nHalf to even.")
    (answer,) = (await bus.call(token, "read_posts", to_me=True, unacked_only=True))["posts"]
    assert (answer["from"], answer["reply_to"], answer["subject"]) == ("ada", asked["post_id"], "Re: Half to even?")
    (mine,) = (await bus.call(token, "read_posts", from_me=True))["posts"]
    assert [ack["actor"] for ack in mine["acked_by"]] == ["ada"]


async def test_a_post_to_the_owner_s_former_handle_is_answered_and_acknowledged(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint("scout")
    asked = await bus.call(token, "post", to_actor="ada", body="Which?")
    post = f"{await project_of(bus, ada)}/posts/{asked['post_id']}"
    await ada.change("/admin/account", handle="lovelace")
    page = text_of(await ada.page(post))
    assert "Waiting for lovelace" in page
    assert "You do not have to" not in page
    await ada.change(f"{post}/reply", body="The first.")
    (answer,) = (await bus.call(token, "read_posts", to_me=True))["posts"]
    assert (answer["to_actor"], answer["body"]) == ("lovelace/scout", "The first.")
    await ada.change(f"{post}/ack")
    assert "Waiting for" not in text_of(await ada.page(post))


@pytest.mark.parametrize(
    ("typed", "status", "field"),
    [({"body": " "}, 400, "body"), ({"to_lane": "x" * 65}, 400, "to_lane"), ({"to_actor": "nobody-here"}, 404, None)],
)
async def test_a_handoff_that_cannot_be_is_refused_and_nothing_typed_is_lost(
    bus: Bus, ada: AdminClient, typed: dict[str, str], status: int, field: str | None
) -> None:
    await bus.mint("scout")
    there = await project_of(bus, ada)
    response = await ada.post(f"{there}/handoffs/new", **NEW | {"subject": "Kept"} | typed)
    assert response.status_code == status
    assert list(wrong_in(response.text)) == ([] if field is None else [field])
    assert 'value="Kept"' in response.text
    if field is None:
        assert "No participant" in text_of(response.text)


async def test_the_longest_text_is_sent_and_a_form_beyond_bounds_is_not(bus: Bus, ada: AdminClient) -> None:
    await bus.mint("scout")
    there = await project_of(bus, ada)
    form = NEW | {"to_lane": "api", "subject": "\U0001f600" * 200, "body": "\U0001f600" * 8_000}
    await ada.change(f"{there}/handoffs/new", **form)
    many = {f"field{number}": "1" for number in range(FIELDS_MAX)}
    assert (await ada.post(f"{there}/handoffs/new", **NEW | {"to_lane": "api"} | many)).status_code == 403
    parts = {name: (None, text) for name, text in (NEW | {"to_lane": "api", "csrf": ada.csrf}).items()}
    assert (await ada.http.post(f"{there}/handoffs/new", files=parts)).status_code == 403
    long = NEW | {"to_lane": "api", "body": "x" * FORM_BYTES_MAX}
    assert (await ada.post(f"{there}/handoffs/new", **long)).status_code == 413


async def test_long_lists_come_in_pages(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint("scout")
    await bus.mint("builder")
    for number in range(51):
        await bus.call(token, "post", to_actor="builder", subject=f"No {number}.", body="x")
    there = f"{await project_of(bus, ada)}/handoffs"
    for view, first, last in (("open", "No 0.", "No 50."), ("all", "No 50.", "No 0.")):
        page = await ada.page(there, view=view)
        assert first in text_of(page)
        assert last not in text_of(page)
        (more,) = [link for link in links_of(page) if "after=" in link or "before=" in link]
        assert last in text_of(await ada.page(there + more))


async def test_a_ref_leads_where_the_project_says(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint("scout")
    there = await project_of(bus, ada)
    settings = fields_of(await ada.page(f"{there}/settings"))
    await ada.change(f"{there}/settings", **settings | {"ref_url": "https://example.com/pull/{ref}"})
    asked = await bus.call(token, "post", to_actor="ada", body="x", ref="a b/7")
    assert "https://example.com/pull/a%20b%2F7" in links_of(await ada.page(f"{there}/posts/{asked['post_id']}"))


async def test_a_ref_to_a_task_leads_to_the_task_and_any_other_without_a_pattern_to_activity(
    bus: Bus, ada: AdminClient, token: str
) -> None:
    there = await project_of(bus, ada)
    await bus.call(token, "task_create", title="round")
    first = await bus.call(token, "post", to_lane="docs", body="x", ref="task:1")
    await bus.call(token, "post", to_lane="docs", body="y", ref="PR-7", reply_to=first["post_id"])
    links = links_of(await ada.page(f"{there}/posts/{first['post_id']}"))
    assert f"{there}/tasks/1" in links
    assert f"{there}/activity?ref=PR-7" in links


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# Big\n\n- one\n- two", '<p class="heading">Big</p>\n<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n'),
        ("**bold** `code`", "<p><strong>bold</strong> <code>code</code></p>\n"),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"),
        ("[a](javascript:x)", "<p>[a](javascript:x)</p>\n"),
        ("[a](/admin/sign-out)", "<p>[a](/admin/sign-out)</p>\n"),
        (
            "![a](https://example.com/x.png)",
            '<p>!<a href="https://example.com/x.png" rel="noopener noreferrer nofollow">a</a></p>\n',
        ),
        ('<a href="https://a.example">x</a>', "<p>&lt;a href=&quot;https://a.example&quot;&gt;x&lt;/a&gt;</p>\n"),
    ],
)
def test_markdown_makes_nothing_that_its_text_could_misuse(text: str, shown: str) -> None:
    assert rendered(text) == shown


@pytest.mark.parametrize("piece", ["*x*", "a\n\n", "[", "- <b>\n"])
def test_a_text_of_little_but_marks_is_shown_as_it_was_written(piece: str) -> None:
    """Rendering 8,000 characters of these took half a second, in which nobody else was served."""
    text = (piece * 8_000)[:8_000]
    assert rendered(text) == "<p>" + html.escape(text, quote=False).replace("\n", "<br>\n") + "</p>\n"


async def test_a_thread_renders_no_more_marks_than_it_has_room_for(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint("scout")
    there = await project_of(bus, ada)
    body = "*x* " * (PIECES_MAX // 2 - 1)
    first = await bus.call(token, "post", to_actor="ada", body=body)
    for _ in range(2 * THREAD_PIECES_MAX // PIECES_MAX):
        last = await bus.call(token, "post", to_actor="ada", body=body, reply_to=first["post_id"])
    page = await ada.page(f"{there}/posts/{last['post_id']}")
    assert page.count('class="text markdown"') == THREAD_PIECES_MAX // PIECES_MAX
    assert page.count("Open this post to read it") == THREAD_PIECES_MAX // PIECES_MAX + 1
