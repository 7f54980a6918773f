"""Folders and files of inputs and outputs: on this machine, or in an object store (extra `remote`).

An address is `s3://bucket/folder`, `gs://…`, `memory://…`: whatever fsspec has a package for. Who may read it
is told by the environment (`AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, `AWS_ENDPOINT_URL_S3`, `FSSPEC_S3_ANON=true`),
never by the address.

How long a store that does not answer is waited for: 5 s for a connection and 15 s for the next bytes, each
asked again (so a dead one is an error after 1 to 60 s), and 120 s for each 16 MB that are uploaded.
`FSSPEC_S3_CONFIG_KWARGS='{"connect_timeout": 20, "read_timeout": 60}'` and `AWS_MAX_ATTEMPTS`, set before
Python starts, change that.

What a store cannot promise: see `Folder.lock`. A process that is killed while it uploads a file of over 16 MB
leaves the parts that had arrived; they are no file, but take room until the bucket's rule for incomplete
uploads (`AbortIncompleteMultipartUpload`) removes them. A file is complete before it is seen in an object
store; sftp and the like get it under a temporary name, which is changed at the end. An output lies in the
folder for temporary files (`TMPDIR`) until it is uploaded.
"""

from .address import is_address
from .credentials import mask_address, mask_text
from .errors import FolderInUse
from .folder import Folder, open_folder
from .inputs import list_files, local_copy, read_file
from .web import Fetched, fetch, is_web, path_of

__all__ = [
    "Fetched",
    "Folder",
    "FolderInUse",
    "fetch",
    "is_address",
    "is_web",
    "list_files",
    "local_copy",
    "mask_address",
    "mask_text",
    "open_folder",
    "path_of",
    "read_file",
]
