"""Benchmarks. ``python -m bench`` prints ratios and counts from one run on one machine."""
