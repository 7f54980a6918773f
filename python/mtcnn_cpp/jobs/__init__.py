"""Jobs: from names to pictures and videos, and from these to one table, or a folder of parts that can be
resumed."""

from .expect import expected_frames
from .heap import keep_freed_memory
from .look import Eyes
from .one_table import OneTable
from .parts import Left, Parts
from .plan import Plan, make_plan
from .run import Summary, prepare, run_to_folder, run_to_output
from .save import Saver
from .settings import Settings
from .source import Source
from .work import Watch

__all__ = [
    "Eyes",
    "Left",
    "OneTable",
    "Parts",
    "Plan",
    "Saver",
    "Settings",
    "Source",
    "Summary",
    "Watch",
    "expected_frames",
    "keep_freed_memory",
    "make_plan",
    "prepare",
    "run_to_folder",
    "run_to_output",
]
