"""Users, passwords and tokens in addresses are never shown."""

from __future__ import annotations

import itertools
import json
import random
import string
from pathlib import Path

import pytest
from mtcnn_cpp.jobs.plan import make_plan
from mtcnn_cpp.storage.address import mask_address, mask_text
from study import rows_of, run

SIGNS = "@:/?#%"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:p@ss@10.0.0.5", "rtsp://***@10.0.0.5"),
        ("rtsp://admin:p@ss@10.0.0.5:554/1?channel=2", "rtsp://***@10.0.0.5:554/1?channel=2"),
        ("rtsp://user@10.0.0.5/", "rtsp://***@10.0.0.5/"),
        ("rtsp://user:@10.0.0.5", "rtsp://***@10.0.0.5"),
        ("rtsp://:secret@10.0.0.5", "rtsp://***@10.0.0.5"),
        ("rtsp://to/ken@10.0.0.5/1", "rtsp://***@10.0.0.5/1"),
        ("rtsp://u:p@[fe80::1%25eth0]:554/1", "rtsp://***@[fe80::1%25eth0]:554/1"),
        ("http://host.org/a.jpg?token=s&size=3", "http://host.org/a.jpg?token=***&size=3"),
        ("http://host.org/a.jpg?Password=a#b/c?d", "http://host.org/a.jpg?Password=***"),
        ("http://host.org/a?size=1;api_key=s;q=1", "http://host.org/a?size=1;api_key=***;q=1"),
        (
            "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Credential=A/2/s3&X-Amz-Signature=f0",
            "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Credential=***&X-Amz-Signature=***",
        ),
        (
            "https://a.blob.core.windows.net/c/k?sv=1&sig=a%2Fb",
            "https://a.blob.core.windows.net/c/k?sv=1&sig=***",
        ),
        (
            "rtsp://10.0.0.5/user=admin&password=s&channel=1",
            "rtsp://10.0.0.5/user=***&password=***&channel=1",
        ),
        ("s3://AKIA:ab/cd+e=@bucket/key.jpg", "s3://***@bucket/key.jpg"),
        ("sftp://alice@host/x", "sftp://***@host/x"),
        ("rtsp:/u:p@h/x", "rtsp:/***@h/x"),  # as a Path writes it
        ("http://proxy/http://u:p@host/", "http://proxy/http://***@host/"),
    ],
)
def test_hidden(address: str, shown: str) -> None:
    assert mask_address(address) == shown
    assert mask_text(f"cannot read {address} now") == f"cannot read {shown} now"
    assert mask_address(shown) == shown


@pytest.mark.parametrize(
    "address",
    [
        "", "a.jpg", "/a/b@c.jpg", "camera:0", "C:/u:p@x.jpg", "a@b:c", "./rtsp/x@y",
        "http://host.org/image@2x.png", "http://10.0.0.5:8080/image@2x.png", "rtsp://[fe80::1]:554/a@b",
        "http://host.org/a?mail=me@host.org", "s3://bucket/user=12/session=3/a@2x.jpg",
        "s3://bucket/a//b/../c ",
        "abfss://container@account.dfs.core.windows.net/a.jpg", "memory://a/b", "udp://239.0.0.1:1234",
    ],
)  # fmt: skip
def test_not_masked(address: str) -> None:
    assert mask_address(address) == address


HOSTS = ("10.0.0.5", "10.0.0.5:554", "[fe80::1]", "[fe80::1]:554", "cam.local", "cam", "cam:80", "localhost")


def test_any_password() -> None:
    """All passwords of up to three of these characters and 50,000 longer passwords are masked completely."""
    chance = random.Random(19)
    short = ("".join(signs) for count in range(4) for signs in itertools.product(SIGNS + "Q", repeat=count))
    letters = SIGNS * 3 + "QZ!$&'()*+,;=~_-."
    long = ("".join(chance.choices(letters, k=chance.randint(4, 20))) for _ in range(50_000))
    for password in (*short, *long):
        user = chance.choice(["", "Q", "QZ.QZ", "Q%40Z"])
        scheme = chance.choice(["rtsp", "RTSPS", "http", "https", "s3", "ftp", "srt"])
        host = chance.choice(HOSTS)
        path = chance.choice(["", "/", "/x/y.jpg", "/x?channel=1", "/?size=1#f"])
        address, shown = f"{scheme}://{user}:{password}@{host}{path}", f"{scheme}://***@{host}{path}"
        assert mask_address(address) == shown
        assert mask_text(f"error: {address}: no") == f"error: {shown}: no"


@pytest.mark.parametrize("name", ["token", "password", "X-Amz-Signature", "api_key", "Signature", "auth"])
def test_any_token(name: str) -> None:
    chance = random.Random(20)
    letters = string.ascii_uppercase + SIGNS + "=+"
    for _ in range(500):
        token = "Q" + "".join(chance.choices(letters, k=30))
        address = f"https://host.org/a.jpg?size=1&{name}={token}&page=2"
        assert mask_address(address) == f"https://host.org/a.jpg?size=1&{name}=***&page=2"


def test_two_cameras_at_one_host_are_two_sources() -> None:
    names = ["rtsp://a:p@ss@10.0.0.5/1", "rtsp://b:q/w@10.0.0.5/1", "rtsp://a:p@ss@10.0.0.5/1"]
    first, second = make_plan(names).sources
    assert (first.name, second.name) == ("rtsp://***@10.0.0.5/1", "rtsp://***@10.0.0.5/1#2")
    assert [first.address, second.address] == names[:2]
    others = make_plan(
        ["rtsp://a:p@10.0.0.5/1", "rtsp://a:p@10.0.0.5/2", "http://h/1?token=a", "http://h/1?token=b"]
    )
    assert len({source.name for source in others.sources}) == 4


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:Hunter2@ss@127.0.0.1:9/Hunter2-is-no-part",
        "rtsp://admin:Hun/ter2@127.0.0.1:9/1",
        "http://127.0.0.1:9/a.jpg?token=Hunter2",
        "http://admin:Hunter2@127.0.0.1:9/a.jpg",
        "s3://KEY:Hun/ter2@bucket/a.jpg",
        "sftp://admin:Hunter2@127.0.0.1/a.jpg",
        "floppy://Hunter2:ter2@host/a.jpg",
        "s3://KEY:Hunter2@bucket/*.jpg",
    ],
)
@pytest.mark.parametrize("output", ["t.jsonl", "parts/", ""])
def test_credentials_are_in_no_output(address: str, output: str, tmp_path: Path) -> None:
    address = address.replace("Hunter2-is-no-part", "1")
    where = ["-o", f"{tmp_path}/{output}", "--format", "jsonl"] if output else []
    result = run(
        address, "--sample", *where, "--save-dir", tmp_path / "seen", "--save-crops", tmp_path / "cut"
    )
    assert result.exit_code == 1, result.output
    shown = result.output + result.stderr
    for file in tmp_path.rglob("*"):
        shown += str(file.relative_to(tmp_path))
        if file.suffix in (".jsonl", ".json"):
            shown += file.read_text()
    assert "ter2" not in shown
    assert "Hun" not in shown
    if output:
        table = rows_of(tmp_path / output.rstrip("/"))
        assert len(table) == 2
        assert "ter2" not in json.dumps(table)
