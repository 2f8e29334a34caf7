"""Budgets on PostgreSQL.

Answers for: ``ports.Budgets`` for all processes and nodes. Does not answer for: the arithmetic
(``rules.budgets``, and the same in the migrations' function ``budgets_answer``).
"""

from __future__ import annotations

from evergrant.adapters.budgets.postgres import PostgresBudgets, open_budgets

__all__ = ["PostgresBudgets", "open_budgets"]
