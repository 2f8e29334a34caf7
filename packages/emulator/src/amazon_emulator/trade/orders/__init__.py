"""Orders of sellers: what becomes of them, the feeds over them, money, invoices."""

__all__: list[str] = []
