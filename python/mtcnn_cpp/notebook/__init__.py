"""What a notebook shows of faces, tensors and traces."""

from .faces import faces_png
from .preview import preview_of
from .tensor_view import TensorView
from .trace_table import trace_table

__all__ = ["TensorView", "faces_png", "preview_of", "trace_table"]
