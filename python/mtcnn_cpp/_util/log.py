"""The logger of the package. It is silent unless the program adds a handler."""

from __future__ import annotations

import logging

logger = logging.getLogger("mtcnn_cpp")
logger.addHandler(logging.NullHandler())  # otherwise Python prints warnings to standard error
