"""What a message holds, in each shape, and what counts as told."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from store.errors import InvalidName
from store.ledger.webhooks import Shape, Target
from store.people.names import checked_webhook_url
from web.webhooks.messages import LINES_MAX, message_to, signature
from web.webhooks.things import FORGOTTEN_AFTER, TOLD_MAX, Thing, remembered

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
TARGET = Target(
    id=7,
    slug="shop",
    name="Web & shop",
    liveness_window_seconds=900,
    stale_after_seconds=1800,
    handle="ada",
    url="https://hooks.example.com/secret-path",
    shape="json",
    secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    told={},
    failures=0,
    failure=None,
)


def thing(key: str, title: str = "Totals") -> Thing:
    return Thing(key=key, kind="blocked", title=title, path="/tasks/1")


def body_of(shape: Shape, *news: Thing) -> bytes:
    return message_to(msgspec.structs.replace(TARGET, shape=shape), news, "https://bus.example.com", NOW).body


def test_the_signature_is_that_of_the_specifications_example() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signature(TARGET.secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_slack_takes_texts_for_no_more_than_texts() -> None:
    text = msgspec.json.decode(body_of("slack", thing("a", "<!channel> & <http://x|y>")))["text"]
    assert text.splitlines()[0] == "*<https://bus.example.com/admin/projects/7|Web &amp; shop>* 1 thing needs you"
    assert "&lt;!channel&gt; &amp; &lt;http://x" in text
    assert text.count("<http") == 2


def test_ntfy_gets_lines_and_headers_in_ascii() -> None:
    message = message_to(
        msgspec.structs.replace(TARGET, shape="ntfy", name="Löden"),
        [thing("a", "Two\r\nlines\n\u2026")],
        "https://bus.example.com",
        NOW,
    )
    assert message.body.decode().splitlines() == ["Löden", "Blocked, but not by a task: Two lines …"]
    assert all(value.isascii() and value.isprintable() for value in message.headers.values())
    assert message.headers["Title"] == "LLM Bus: 1 thing needs you"


@pytest.mark.parametrize("shape", ["json", "slack", "ntfy"])
def test_a_message_is_bounded(shape: Shape) -> None:
    news = [thing(str(number), "long " * 1000) for number in range(LINES_MAX + 30)]
    body = body_of(shape, *news)
    assert len(body) < 20_000
    assert b"30" in body


def test_a_target_does_not_show_its_secrets() -> None:
    assert repr(TARGET) == str(TARGET) == "Target(id=7)"


def test_what_was_told_is_forgotten_an_hour_after_it_was_last_there() -> None:
    told = {"here": NOW - timedelta(hours=5), "gone": NOW - FORGOTTEN_AFTER / 2, "past": NOW - FORGOTTEN_AFTER}
    there = [thing("here"), thing("new")]
    assert remembered(told, there, NOW, all_told=True) == {"here": NOW, "new": NOW, "gone": told["gone"]}
    assert remembered(told, there, NOW, all_told=False) == {"here": NOW, "gone": told["gone"]}


def test_what_is_remembered_is_bounded_and_the_newest_stays() -> None:
    told = {f"old {number}": NOW - timedelta(minutes=1) for number in range(TOLD_MAX)}
    kept = remembered(told, [thing("new")], NOW, all_told=True)
    assert len(kept) == TOLD_MAX
    assert "new" in kept


@pytest.mark.parametrize("url", ["https://hooks.slack.com/services/T0/B0/x", "http://[::1]:8080", "https://a.b?c=d"])
def test_an_address_can_be(url: str) -> None:
    assert checked_webhook_url(f" {url} ") == url


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a.example", "HTTPS://a.example", "a.example", "https://", "https:///x", "https://me:pw@a.example/"),
        *(
            "https://a.example/#x",
            "https://a.example:99999",
            "https://a.example:0",
            "https://[::1",
            "https://ä.example",
        ),
        *("https://a.example/ b", "https://a.example\\@b.example", f"https://a.example/{'x' * 500}", ""),
    ],
)
def test_an_address_cannot_be(url: str) -> None:
    with pytest.raises(InvalidName):
        checked_webhook_url(url)
