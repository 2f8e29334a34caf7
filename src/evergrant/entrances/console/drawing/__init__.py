"""Pictures for the console's pages: values in, SVG out.

Answers for: the timeline of terms, calls by the hour, buckets and the runs of a day, each with a
title and a description for those who do not see it, drawn with classes that the style sheet knows.
Does not answer for: reading anything, or for a table beside the picture (the page).
"""

from __future__ import annotations

from evergrant.entrances.console.drawing.buckets import gauge
from evergrant.entrances.console.drawing.day import RunMark, day_of_runs
from evergrant.entrances.console.drawing.hours import Hour, calls_by_hour, hours_of, sparkline
from evergrant.entrances.console.drawing.terms import timeline

__all__ = [
    "Hour",
    "RunMark",
    "calls_by_hour",
    "day_of_runs",
    "gauge",
    "hours_of",
    "sparkline",
    "timeline",
]
