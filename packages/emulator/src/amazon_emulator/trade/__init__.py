"""What selling partners own and do at the emulated Amazon: goods, orders, money, feeds, reports.

Answers for: the behaviour behind the stateful operations, by the emulator's clock and in memory. It
speaks no HTTP; the faces do.
"""

__all__: list[str] = []
