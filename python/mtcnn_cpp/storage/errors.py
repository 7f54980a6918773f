"""Errors of stores.

Each message contains the address, the cause and a remedy. It never contains a key or a password.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator

from .._util.errors import MtcnnError
from .address import masked

EXTRA = "mtcnn-cpp[remote]"
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "FSSPEC_S3_SECRET", "FSSPEC_S3_TOKEN")
CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; "
    "for a public bucket, set FSSPEC_S3_ANON=true"
)
NO_PERMISSION = "these credentials lack the permission; request it from the owner of the bucket"
STORE = "AWS_ENDPOINT_URL_S3 if the store is not Amazon's"
ENDPOINT = f"check the network, and {STORE}"
SLOW = "to wait longer, set FSSPEC_S3_CONFIG_KWARGS='{\"read_timeout\": 60}'"

# Keys: name of an exception class, or of one of its base classes. Values: class of the resulting error, cause
# and remedy. The first match is used. The keys are names, because this module does not import the libraries
# that define these classes.
KINDS: dict[str, tuple[type[OSError], str, str]] = {
    "NoCredentialsError": (PermissionError, "no credentials were found", CREDENTIALS),
    "PartialCredentialsError": (PermissionError, "the credentials are incomplete", CREDENTIALS),
    "CredentialRetrievalError": (PermissionError, "the credentials could not be retrieved", CREDENTIALS),
    "TokenRetrievalError": (PermissionError, "the login has expired", "log in again (aws sso login)"),
    "SSOError": (PermissionError, "the login has expired", "log in again (aws sso login)"),
    "ProfileNotFound": (PermissionError, "the profile does not exist", "check AWS_PROFILE and ~/.aws/config"),
    "SSLError": (
        ConnectionError,
        "no secure connection to the store",
        "check its certificate, or AWS_CA_BUNDLE",
    ),
    "ConnectTimeoutError": (TimeoutError, "the store does not respond", ENDPOINT),
    "ReadTimeoutError": (TimeoutError, "the store stopped responding", f"{ENDPOINT}; {SLOW}"),
    "FSTimeoutError": (TimeoutError, "the store stopped responding", f"{ENDPOINT}; {SLOW}"),
    "EndpointConnectionError": (ConnectionError, "no connection to the store", ENDPOINT),
    "HTTPClientError": (ConnectionError, "the connection to the store broke", ENDPOINT),
    "ParamValidationError": (OSError, "a parameter is not valid", "check the bucket's name"),
    "InvalidRegionError": (OSError, "the region does not exist", "check AWS_REGION"),
    "NoRegionError": (OSError, "the region is missing", "set AWS_REGION"),
}
# Keys: error code of an S3 response. Values: class of the resulting error, cause and remedy.
CODES: dict[str, tuple[type[OSError], str, str]] = {
    "NoSuchBucket": (FileNotFoundError, "there is no such bucket", f"check its name, and {STORE}"),
    "AccessDenied": (
        PermissionError,
        "access is denied",
        NO_PERMISSION,
    ),
    "403": (
        PermissionError,
        "access is denied",
        NO_PERMISSION,
    ),
    "InvalidAccessKeyId": (PermissionError, "the access key is unknown", CREDENTIALS),
    "SignatureDoesNotMatch": (PermissionError, "the secret key is wrong", CREDENTIALS),
    "ExpiredToken": (PermissionError, "the login has expired", "log in again"),
    "InvalidToken": (PermissionError, "the login is not valid", "log in again"),
    "RequestTimeTooSkewed": (PermissionError, "this machine's clock is wrong", "set the clock"),
    "SlowDown": (OSError, "the store limits the request rate", "run it again later"),
    "503": (OSError, "the store is too busy", "run it again later"),
}
NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class FolderInUseError(MtcnnError, OSError):
    """Another job is writing to this folder."""


@contextlib.contextmanager
def translate_errors(where: object) -> Iterator[None]:
    """Convert every exception of the `with` block to an OSError (FileNotFoundError, TimeoutError, …).

    The message is one line that begins with `where`, the address of the file. The new error keeps the
    original error in `__context__`, but a traceback does not show the original error.
    """
    try:
        yield
    except Exception as error:
        raise to_os_error(str(where), error) from None


def code_of(error: BaseException) -> str:
    """Return the error code of the S3 response in an error or in one of its causes.

    Return "" if there is none.
    """
    current: BaseException | None = error
    while current is not None:
        response = getattr(current, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        current = current.__cause__ or current.__context__
    return ""


def to_os_error(where: str, error: Exception) -> OSError:
    """Convert an exception as `translate_errors` does."""
    known = CODES.get(code_of(error))
    if known is None:
        bases = {base.__name__ for base in type(error).__mro__}
        known = next((kind for name, kind in KINDS.items() if name in bases), None)
    if known is not None:
        kind, what, advice = known
        return kind(f"{masked(where)}: {what} ({_one_line(error)}); {advice}")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(f"{masked(where)}: there is nothing at this address")
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        folder = tempfile.gettempdir()
        full = OSError(
            f"{masked(where)}: there is no space for a copy in {folder} ({_one_line(error)}); "
            "set TMPDIR to a folder with more space"
        )
        full.errno = error.errno
        return full
    if isinstance(error, OSError):
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
        made: OSError = kind(f"{masked(where)}: {_one_line(error)}")
        made.errno = error.errno
        return made
    return OSError(f"{masked(where)}: {type(error).__name__}: {_one_line(error)}")


def _one_line(error: BaseException) -> str:
    """Return the message of an error in one line, without secrets."""
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    text = " ".join(text.split())[:500]
    for name in SECRETS:
        secret = os.environ.get(name, "")
        if len(secret) >= 8:  # shorter values occur in ordinary text
            text = text.replace(secret, "***")
    return masked(text).rstrip(".")
