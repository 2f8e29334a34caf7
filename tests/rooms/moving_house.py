"""A former integration database, and the same rows in every format that an export may have."""

from __future__ import annotations

import csv
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evergrant.desk import Desk
from evergrant.rules.secrecy import Secret
from evergrant.testing.desk import Fakes, desk

Rows = dict[str, list[dict[str, Any]]]


def uuid() -> str:
    text = secrets.token_hex(16)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def client_id() -> str:
    return f"amzn1.application-oa2-client.{secrets.token_hex(16)}"


def client_secret() -> str:
    return f"amzn1.oa2-cs.v1.{secrets.token_hex(32)}"


def merchant() -> str:
    return f"A{secrets.token_hex(6).upper()}"


@dataclass
class Former:
    """The database that is left behind: one application, two clients, three accounts."""

    fakes: Fakes = field(default_factory=Fakes)
    rows: Rows = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.desk: Desk = desk(self.fakes)
        self.lwa_client_id, self.lwa_client_secret = client_id(), client_secret()
        self.fakes.lwa.add_client(self.lwa_client_id, Secret(self.lwa_client_secret))
        self.secrets = [self.lwa_client_secret]
        self.rows = {
            "integration": [{"id": 5, "name": "Northwind Connect", "status": "published"}],
            "integration_credentials": [
                {
                    "id": 9,
                    "integration_id": 5,
                    "application_id": f"amzn1.sp.solution.{uuid()}",
                    "client_id": self.lwa_client_id,
                    "client_secret": self.lwa_client_secret,
                    "secret_created_at": self.day(-10),
                }
            ],
            "client": [
                {"id": 1, "name": "ERP one", "base_url": "https://one.erp.example"},
                {"id": 2, "name": "ERP two", "webhook_url": "https://two.erp.example/hook"},
            ],
            "account_amazon": [
                self.account(1, "Blue Heron Books", region="eu", marketplace="DE"),
                self.account(2, "Mill Lane", client_id=2, type="vendor", vendor_codes="MILL1"),
                self.account(3, 'O\'Neil \\ "Sons"; --', region="na", marketplace="US", **OFF),
            ],
        }

    def day(self, days: int) -> str:
        from datetime import timedelta

        return (self.fakes.clock.now() + timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S")

    def token(self, of: str = "", countries: Sequence[str] = ("DE",)) -> str:
        token = self.fakes.lwa.grant(self.lwa_client_id, of).reveal()
        self.secrets.append(token)
        return token

    def account(self, id: int, name: str, **more: Any) -> dict[str, Any]:
        is_vendor = more.get("type") == "vendor"
        partner = secrets.token_hex(4) if is_vendor else merchant()
        return {
            "id": id,
            "name": name,
            "type": "seller",
            "client_email": f"owner{id}@shop.example",
            "integration_id": 5,
            "client_id": 1,
            "region": "eu",
            "marketplace": "DE",
            "merchant_token": None if is_vendor else partner,
            "Update Stock": 1,
            "update_price": 1,
            "ship_orders": 1,
            "upload_invoices": 1,
            "cancel_orders": 1,
            "refund_orders": 1,
            "refresh_token": self.token(partner),
            "authorized_at": self.day(-100),
            **more,
        }

    def stored(self) -> Any:
        """Everything that was ever written, and everything that Amazon was asked."""
        store = self.fakes.store
        shelves = {name: dict(rows) for name, rows in store.rows.items()}
        return shelves, list(store.lines), len(self.fakes.lwa.calls)

    def written_down(self) -> str:
        """All that lies unsealed in the store."""
        rows = {name: rows for name, rows in self.fakes.store.rows.items() if name != "safe"}
        return repr((rows, self.fakes.store.lines))


OFF = {"ship_orders": 0, "refund_orders": 0}


# --- the same rows, written by different hands ------------------------------------------------


def as_csv(rows: Rows, folder: Path, delimiter: str = ",") -> Path:
    folder.mkdir()
    for table, found in rows.items():
        with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8-sig") as file:
            names = list(dict.fromkeys(name for row in found for name in row))
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(names)
            writer.writerows(
                [["" if row.get(n) is None else row[n] for n in names] for row in found]
            )
    (folder / "orders.csv").write_text("id\n1\n")
    return folder


def as_json(rows: Rows, file: Path) -> Path:
    file.write_text(json.dumps({**rows, "orders": [{"id": 1}]}))
    return file


def _columns(found: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in found for name in row))


def as_mysql(rows: Rows, file: Path) -> Path:
    def value(it: Any) -> str:
        if it is None:
            return "NULL"
        if it in (0, 1) and isinstance(it, int):
            return f"b'{it}'"
        if isinstance(it, int):
            return str(it)
        text = str(it).replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')
        return "'" + text.replace("\n", "\\n").replace("\0", "\\0") + "'"

    lines = ["-- MySQL dump 10.13  Distrib 8.0.40", "/*!40101 SET NAMES utf8mb4 */;", ""]
    for table, found in rows.items():
        names = _columns(found)
        body = ",\n".join(f"  `{name}` varchar(255) DEFAULT 'x,y;'" for name in names)
        lines += [
            f"DROP TABLE IF EXISTS `{table}`;",
            f"CREATE TABLE `{table}` (\n{body},\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;",
            f"LOCK TABLES `{table}` WRITE;",
            f"/*!40000 ALTER TABLE `{table}` DISABLE KEYS */;",
            f"INSERT INTO `{table}` VALUES "
            + ",".join(f"({','.join(value(row.get(n)) for n in names)})" for row in found)
            + ";",
            "UNLOCK TABLES;",
            "INSERT INTO `orders` VALUES (1,'it\\'s; INSERT INTO client VALUES (1)');",
        ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def as_postgres(rows: Rows, file: Path, *, copy: bool) -> Path:
    def value(it: Any) -> str:
        if it is None:
            return "NULL"
        return str(it) if isinstance(it, int) else "'" + str(it).replace("'", "''") + "'"

    def cell(it: Any) -> str:
        if it is None:
            return "\\N"
        text = str(it).replace("\\", "\\\\").replace("\t", "\\t")
        return text.replace("\n", "\\n").replace("\r", "\\r")

    lines = ["--", "-- PostgreSQL database dump", "--", "\\restrict x", "SET x = 'on;';"]
    lines += ["CREATE FUNCTION f() AS $_$ INSERT INTO client VALUES ('x'); $_$;"]
    for table, found in rows.items():
        names = _columns(found)
        listed = ", ".join(f'"{name}"' if " " in name else name for name in names)
        if copy:
            lines.append(f"COPY public.{table} ({listed}) FROM stdin;")
            lines += ["\t".join(cell(row.get(name)) for name in names) for row in found]
            lines += ["\\.", ""]
        else:
            lines += [
                f"INSERT INTO public.{table} ({listed}) VALUES "
                f"({', '.join(value(row.get(name)) for name in names)});"
                for row in found
            ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def as_sqlite(rows: Rows, file: Path) -> Path:
    """Written by SQLite itself."""
    import sqlite3

    connection = sqlite3.connect(":memory:")
    try:
        for table, found in rows.items():
            names = _columns(found)
            listed = ", ".join(f'"{name}" text' for name in names)
            connection.execute(f'CREATE TABLE "{table}" ({listed})')
            marks = ", ".join("?" * len(names))
            connection.executemany(
                f'INSERT INTO "{table}" VALUES ({marks})',
                [[row.get(name) for name in names] for row in found],
            )
        connection.execute("CREATE TABLE orders (id text)")
        connection.execute("INSERT INTO orders VALUES ('it''s')")
        file.write_text("PRAGMA foreign_keys=OFF;\n" + "\n".join(connection.iterdump()))
    finally:
        connection.close()
    return file


__all__ = [
    "OFF",
    "Former",
    "Rows",
    "as_csv",
    "as_json",
    "as_mysql",
    "as_postgres",
    "as_sqlite",
    "client_id",
    "client_secret",
    "merchant",
    "uuid",
]
