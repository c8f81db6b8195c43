"""Where a message may go: to public addresses, looked up once."""

import socket
import ssl
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.bounds import HANG_SECONDS
from tests.web.webhooks.receiver import Receiver
from web.errors import NotDelivered
from web.webhooks import sending
from web.webhooks.messages import Message
from web.webhooks.sending import Sender, is_public

HELLO = Message(body=b"hello", headers={"Content-Type": "text/plain"})


def found(*addresses: str) -> list[tuple[Any, ...]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]


def self_signed(name: str, directory: Path) -> Path:
    """A file with a certificate for this name, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (file := directory / "receiver.pem").write_bytes(certificate.public_bytes(Encoding.PEM) + secret)
    return file


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "64:ff9b::5db8:d70e", "::ffff:93.184.215.14"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "2001:0:1::1"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::127.0.0.1"),
    ],
)
def test_all_others_are_not(address: str) -> None:
    assert not is_public(address)


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    sender = Sender(allow_private=False, lookup=lambda *_, **__: found("93.184.215.14", "10.0.0.1"))
    with pytest.raises(NotDelivered, match="not a public one"):
        await sender.send("https://hooks.example.com/", HELLO)


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_other_spellings_of_the_loopback_are_refused(host: str) -> None:
    with pytest.raises(NotDelivered, match=r"not a public one|not known"):
        await Sender(allow_private=False).send(f"https://{host}/", HELLO)


async def test_nothing_goes_out_without_tls() -> None:
    with pytest.raises(NotDelivered, match="https"):
        await Sender(allow_private=False).send("http://hooks.example.com/", HELLO)


async def test_the_name_is_looked_up_once_and_the_connection_goes_to_what_was_found(receiver: Receiver) -> None:
    asked: list[str] = []

    def lookup(host: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return found("127.0.0.1" if len(asked) == 1 else "192.0.2.1")

    sender = Sender(allow_private=True, lookup=lookup)
    await sender.send(f"http://hooks.invalid:{receiver.port}/there?a=b", HELLO)
    (heard,) = receiver.heard
    assert asked == ["hooks.invalid"]
    assert (heard.path, heard.body) == ("/there?a=b", b"hello")
    assert heard.headers["host"] == f"hooks.invalid:{receiver.port}"


@pytest.mark.parametrize(("name", "is_taken"), [("hooks.invalid", True), ("other.invalid", False)])
async def test_tls_is_for_the_receivers_name_wherever_the_connection_goes(
    receiver: Receiver, tmp_path: Path, name: str, is_taken: bool
) -> None:
    certificate = self_signed("hooks.invalid", tmp_path)
    receiver.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    receiver.tls.load_cert_chain(certificate)
    sender = Sender(allow_private=True, lookup=lambda *_, **__: found("127.0.0.1"))
    sender._tls = ssl.create_default_context(cafile=str(certificate))
    with nullcontext() if is_taken else pytest.raises(NotDelivered, match="no connection"):
        await sender.send(f"https://{name}:{receiver.port}/", HELLO)
    assert len(receiver.heard) == is_taken


async def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    await Sender(allow_private=True).send(receiver.url, HELLO)
    assert len(receiver.heard) == 1


async def test_a_name_that_is_not_known_is_told() -> None:
    with pytest.raises(NotDelivered, match="name is not known"):
        await Sender(allow_private=True).send(f"http://{'a' * 70}.example/", HELLO)


async def test_a_receiver_that_is_not_there_is_told_without_its_address() -> None:
    with pytest.raises(NotDelivered, match="no connection") as refused:
        await Sender(allow_private=True).send("http://127.0.0.1:1/secret-path", HELLO)
    assert refused.value.__cause__ is None
    assert "secret-path" not in str(refused.value)


async def test_a_receiver_that_does_not_answer_is_given_up(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SEND_SECONDS_MAX", 0.2)
    receiver.silent = True
    with trio.fail_after(HANG_SECONDS), pytest.raises(NotDelivered, match="did not answer within"):
        await Sender(allow_private=True).send(receiver.url, HELLO)
