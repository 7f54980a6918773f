"""Folders and files of inputs and outputs: on this machine, or in an object store (extra `remote`).

An address is `s3://bucket/folder`, `gs://…`, `memory://…`: whatever fsspec has a package for. Who may read it
is told by the environment (`AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, `AWS_ENDPOINT_URL_S3`, `FSSPEC_S3_ANON=true`),
never by the address.

How long a store that does not answer is waited for: 5 s for a connection, 15 s for the next bytes, each asked
again a few times, so a dead one is an error after 10 to 60 s. `AWS_MAX_ATTEMPTS` and
`FSSPEC_S3_CONFIG_KWARGS='{"connect_timeout": 20, "read_timeout": 60}'`, both set before Python starts, change
that.
"""

from .address import is_address
from .errors import FolderInUse
from .folder import Folder, open_folder
from .inputs import list_files, local_copy, read_file

__all__ = ["Folder", "FolderInUse", "is_address", "list_files", "local_copy", "open_folder", "read_file"]
