"""A package, so that pytest knows when the last test of this shelf is done: one Chromium serves all
of its files and is gone before loops run again elsewhere."""
