"""A stage for Ray data sets, and jobs on a Ray cluster. This needs Ray (extra `ray`)."""

from .detect_faces import DetectFaces

__all__ = ["DetectFaces"]
