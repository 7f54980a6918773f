"""The package ray, which is imported when it is used."""

from __future__ import annotations

from typing import Any


def need_ray() -> Any:
    """ray, with ray.data; or an ImportError that says how to get it."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError(
            f"a Ray cluster needs ray[data], which is not installed (or does not import: {error}); "
            "pip install 'mtcnn-cpp[ray]'",
            name="ray",
        ) from error
    return ray


def held_cpus() -> int:
    """The CPUs that the actor or task that calls holds, at least 1; 0 outside of Ray."""
    ray = need_ray()
    if not ray.is_initialized():
        return 0
    context = ray.get_runtime_context()
    if context.get_task_id() is None and context.get_actor_id() is None:
        return 0
    return max(1, int(context.get_assigned_resources().get("CPU", 1)))
