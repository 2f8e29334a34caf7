"""Reports: their making over time, their schedules, and what stands in them."""

__all__: list[str] = []
