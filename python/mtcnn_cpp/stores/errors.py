"""Errors of stores in plain words: the address, what happened, what to do, and never a key or a password."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator

from .address import masked

EXTRA = "pip install 'mtcnn-cpp[remote]'"
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "FSSPEC_S3_SECRET", "FSSPEC_S3_TOKEN")
CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; FSSPEC_S3_ANON=true for a public bucket"
)
STORE = "AWS_ENDPOINT_URL_S3 if the store is not Amazon's"
ENDPOINT = f"check the network, and {STORE}"
SLOW = "FSSPEC_S3_CONFIG_KWARGS='{\"read_timeout\": 60}' waits longer"

# The class of an error, or one of its bases: what it becomes, what happened, what to do. The first that fits
# counts. By name, for the libraries that have these classes are not imported here.
KINDS: dict[str, tuple[type[OSError], str, str]] = {
    "NoCredentialsError": (PermissionError, "no credentials were found", CREDENTIALS),
    "PartialCredentialsError": (PermissionError, "the credentials are incomplete", CREDENTIALS),
    "CredentialRetrievalError": (PermissionError, "the credentials could not be had", CREDENTIALS),
    "TokenRetrievalError": (PermissionError, "the login has expired", "log in again (aws sso login)"),
    "SSOError": (PermissionError, "the login has expired", "log in again (aws sso login)"),
    "ProfileNotFound": (PermissionError, "no such profile", "check AWS_PROFILE and ~/.aws/config"),
    "SSLError": (
        ConnectionError,
        "no safe connection to the store",
        "check its certificate, or AWS_CA_BUNDLE",
    ),
    "ConnectTimeoutError": (TimeoutError, "the store does not answer", ENDPOINT),
    "ReadTimeoutError": (TimeoutError, "the store stopped answering", f"{ENDPOINT}; {SLOW}"),
    "FSTimeoutError": (TimeoutError, "the store stopped answering", f"{ENDPOINT}; {SLOW}"),
    "EndpointConnectionError": (ConnectionError, "no connection to the store", ENDPOINT),
    "HTTPClientError": (ConnectionError, "the connection to the store broke", ENDPOINT),
    "ParamValidationError": (OSError, "the store has no such names", "check the bucket's name"),
    "InvalidRegionError": (OSError, "no such region", "check AWS_REGION"),
    "NoRegionError": (OSError, "the region is missing", "set AWS_REGION"),
}
# The code of an answer of S3, likewise.
CODES: dict[str, tuple[type[OSError], str, str]] = {
    "NoSuchBucket": (FileNotFoundError, "there is no such bucket", f"check its name, and {STORE}"),
    "AccessDenied": (
        PermissionError,
        "access is denied",
        "these credentials may not do this; ask for the right to",
    ),
    "403": (PermissionError, "access is denied", "these credentials may not do this; ask for the right to"),
    "InvalidAccessKeyId": (PermissionError, "the store does not know this access key", CREDENTIALS),
    "SignatureDoesNotMatch": (PermissionError, "the secret key is wrong", CREDENTIALS),
    "ExpiredToken": (PermissionError, "the login has expired", "log in again"),
    "InvalidToken": (PermissionError, "the login is not valid", "log in again"),
    "RequestTimeTooSkewed": (PermissionError, "this machine's clock is wrong", "set it"),
    "SlowDown": (OSError, "the store asks for fewer requests", "run it again later"),
    "503": (OSError, "the store is too busy", "run it again later"),
}
NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class FolderInUse(OSError):
    """Another job writes to this folder."""


@contextlib.contextmanager
def told(where: object) -> Iterator[None]:
    """Whatever goes wrong in this block is an OSError (FileNotFoundError, PermissionError, TimeoutError, …)
    of one line that begins with the address. The libraries' own error is its `__context__`, and is not
    printed."""
    try:
        yield
    except Exception as error:
        raise plain(str(where), error) from None


def code_of(error: BaseException) -> str:
    """The code in an answer of S3, from the error or one that it came from; empty if there is none."""
    seen: BaseException | None = error
    while seen is not None:
        response = getattr(seen, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        seen = seen.__cause__ or seen.__context__
    return ""


def plain(where: str, error: Exception) -> OSError:
    """What `told` makes of an error."""
    known = CODES.get(code_of(error))
    if known is None:
        bases = {base.__name__ for base in type(error).__mro__}
        known = next((kind for name, kind in KINDS.items() if name in bases), None)
    if known is not None:
        kind, what, advice = known
        return kind(f"{masked(where)}: {what} ({_words(error)}); {advice}")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(f"{masked(where)}: there is nothing at this address")
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        folder = tempfile.gettempdir()
        full = OSError(
            f"{masked(where)}: there is no room for a copy in {folder} ({_words(error)}); "
            "set TMPDIR to a folder with more"
        )
        full.errno = error.errno
        return full
    if isinstance(error, OSError):
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
        made: OSError = kind(f"{masked(where)}: {_words(error)}")
        made.errno = error.errno
        return made
    return OSError(f"{masked(where)}: {type(error).__name__}: {_words(error)}")


def _words(error: BaseException) -> str:
    """What an error says, in one line."""
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    text = " ".join(text.split())[:500]
    for name in SECRETS:
        secret = os.environ.get(name, "")
        if len(secret) >= 8:  # a shorter one is a test's, and in every word
            text = text.replace(secret, "***")
    return masked(text).rstrip(".")
