"""DOORS. Parse what came in, call one verb of one room, show what it gave.

Answers for: the shapes outside (HTML, JSON, LWA's own form, a terminal). Does not answer for: any
decision. No door knows another; ``serve`` alone puts them side by side.
"""
