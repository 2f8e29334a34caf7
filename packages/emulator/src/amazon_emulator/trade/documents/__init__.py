"""Documents behind feeds and reports: what was uploaded or written, and presigned addresses."""

__all__: list[str] = []
