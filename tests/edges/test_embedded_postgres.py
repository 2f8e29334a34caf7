"""The embedded server: shared, private, hard to kill, and plain about what it cannot do."""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from evergrant.adapters.embedded_postgres import EmbeddedPostgres, machine, programs
from evergrant.adapters.embedded_postgres.passage import let_pass
from evergrant.errors import Misconfigured, StoreUnavailable

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="needs root, to become somebody else")
HURRY = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "20"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a database that was started once and stopped."""
    made = tmp_path_factory.mktemp("made") / "home"
    with EmbeddedPostgres(made, HURRY) as server:
        ask(server.url(), "CREATE TABLE kept (what text)")
        ask(server.url(), "INSERT INTO kept VALUES ('since the beginning')")
    return made


@pytest.fixture
def home(made: Path) -> Iterator[Path]:
    """The same one for all tests; each leaves it as it was, and no server behind."""
    mode = stat.S_IMODE(made.stat().st_mode)
    yield made
    made.chmod(mode)
    if (made / "postgres" / "data" / "postmaster.pid").exists():
        with EmbeddedPostgres(made, HURRY):
            pass


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that every user can reach: pytest's own folders are closed."""
    folder = Path(tempfile.mkdtemp(prefix="evergrant-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def ask(url: str, question: Any) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(question)
        return cursor.fetchall() if cursor.description else []


def kept(url: str) -> str:
    return str(ask(url, "SELECT what FROM kept")[0][0])


def postmaster(home: Path) -> int:
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def until(look: Callable[[], object], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


USE = """
import os, signal, sys
# Whoever started the tests may ignore it, as nohup does, and that is handed down.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from pathlib import Path
from evergrant.adapters.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), {"fsync": "off"})
print(server.start(), flush=True)
sys.stdin.read()
server.stop()
print("left", flush=True)
"""


class User:
    """Another process that uses the server until its standard input ends."""

    def __init__(self, home: Path, **options: Any) -> None:
        self.process = subprocess.Popen(
            [options.pop("python", sys.executable), "-c", USE, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def url(self) -> str:
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        if not said:
            _, error = self.process.communicate(timeout=60)
            pytest.fail(error)
        return str(said)

    def leave(self) -> None:
        out, error = self.process.communicate("", timeout=60)
        assert (self.process.returncode, out.strip()) == (0, "left"), error

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


# --- one process -------------------------------------------------------------------------------


def test_it_starts_keeps_and_stops(home: Path) -> None:
    server, other = EmbeddedPostgres(home, HURRY), EmbeddedPostgres(home, HURRY)
    assert server.start() == server.start() == other.start(), "starting twice is starting once"
    server.stop()
    with pytest.raises(RuntimeError):
        server.url()
    server.stop()
    url = other.url()
    assert kept(url) == "since the beginning"
    assert ask(url, "SHOW server_encoding") == [("UTF8",)]
    assert ask(url, "SHOW timezone") == [("UTC",)]
    rows = ask(url, "SELECT x FROM (VALUES ('a'), ('B'), ('ä'), ('_')) v (x) ORDER BY x")
    assert [row[0] for row in rows] == ["B", "_", "a", "ä"], "text is ordered by its bytes"
    running = postmaster(home)
    assert alive(running)
    other.stop()
    assert not alive(running)
    assert not (home / "postgres" / "data" / "postmaster.pid").exists()


# --- several processes -------------------------------------------------------------------------


def test_processes_start_one_server_and_the_last_one_stops_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    users = [User(home) for _ in range(3)]
    urls = {user.url() for user in users}
    assert len(urls) == 1
    (url,) = urls
    running = postmaster(home)
    for user in users[:-1]:
        user.leave()
        assert ask(url, "SELECT 1") == [(1,)]
    users[-1].leave()
    assert not alive(running)


def test_the_server_survives_its_starter(home: Path) -> None:
    starter = User(home)
    url = starter.url()
    other = User(home)
    assert other.url() == url
    running = postmaster(home)
    starter.kill()
    assert kept(url) == "since the beginning"
    other.leave()
    assert not alive(running)


def test_who_was_killed_as_the_last_leaves_a_server_for_the_next(home: Path) -> None:
    only = User(home)
    url = only.url()
    running = postmaster(home)
    only.kill()
    with EmbeddedPostgres(home, HURRY) as server:
        assert server.url() == url
        assert postmaster(home) == running
    assert not alive(running)


def test_a_terminal_that_is_closed_takes_only_its_own_process(home: Path) -> None:
    user = User(home, start_new_session=True)
    url = user.url()
    os.killpg(user.process.pid, signal.SIGHUP)
    user.process.communicate(timeout=60)
    assert kept(url) == "since the beginning"


# --- accidents ---------------------------------------------------------------------------------


def test_a_killed_server_comes_back_with_its_data(home: Path) -> None:
    with EmbeddedPostgres(home, HURRY) as server:
        ask(server.url(), "CREATE TABLE late AS SELECT 'at the last moment' AS what")
        killed = postmaster(home)
        os.kill(killed, signal.SIGKILL)
        with EmbeddedPostgres(home, HURRY) as again:
            assert ask(again.url(), "TABLE late") == [("at the last moment",)]
            assert postmaster(home) != killed


def test_who_uses_it_can_bring_it_back(home: Path) -> None:
    with EmbeddedPostgres(home, HURRY) as server:
        url = server.url()
        os.kill(postmaster(home), signal.SIGKILL)
        assert server.start() == url
        assert kept(url) == "since the beginning"
        running = postmaster(home)
    assert not alive(running)


def test_it_can_be_told_from_a_dead_one(home: Path) -> None:
    with EmbeddedPostgres(home, HURRY) as server:
        assert server.lives()
        os.kill(postmaster(home), signal.SIGKILL)
        until(lambda: not server.lives())
        server.start()
        assert server.lives()
        file = home / "postgres" / "data" / "postmaster.pid"
        content = file.read_text()
        zombie = subprocess.Popen(["true"])
        try:
            # Dead, and not buried yet, as all orphans of a container without an init stay.
            until(lambda: Path(f"/proc/{zombie.pid}/stat").read_text().split()[2] == "Z")
            file.write_text(content.replace(str(postmaster(home)), str(zombie.pid), 1))
            assert not server.lives()
        finally:
            zombie.wait()
            file.write_text(content)
        assert server.lives()
    assert not server.lives()


def test_a_number_that_is_somebody_elses_by_now(home: Path) -> None:
    """The machine went down; the file names a process that has nothing to do with us."""
    # Of the same user: PostgreSQL minds no others.
    somebody = subprocess.Popen(["sleep", "600"], user=_server_uid(home) if AS_ROOT else None)
    try:
        data = home / "postgres" / "data"
        (home / "postgres" / "socket").mkdir(exist_ok=True)
        socket = home / "postgres" / "socket"
        lines = [somebody.pid, data, int(time.time()), 5432, socket, "", "1 1", "ready"]
        (data / "postmaster.pid").write_text("\n".join(map(str, lines)) + "\n")
        (socket / ".s.PGSQL.5432.lock").write_text(f"{somebody.pid}\n{data}\n")
        for path in (data / "postmaster.pid", socket / ".s.PGSQL.5432.lock", socket):
            os.chown(path, _server_uid(home), -1)
        with EmbeddedPostgres(home, HURRY) as server:
            assert kept(server.url()) == "since the beginning"
            assert postmaster(home) != somebody.pid
        assert somebody.poll() is None
    finally:
        somebody.kill()
        somebody.wait()


def _server_uid(home: Path) -> int:
    return (home / "postgres" / "data").stat().st_uid


def test_a_home_behind_a_link(home: Path) -> None:
    link = home.with_name("link")
    link.symlink_to(home)
    with EmbeddedPostgres(link, HURRY) as server, EmbeddedPostgres(home, HURRY) as other:
        assert kept(server.url()) == kept(other.url()) == "since the beginning"
        running = postmaster(home)
    assert not alive(running)


@pytest.mark.parametrize("name", ['a"b', "a$b", "a`b", "a\\b"])
def test_paths_that_no_shell_should_see(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match="path"):
        EmbeddedPostgres(tmp_path / name).start()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "garbage\n", "999999999\n"])
def test_a_file_that_was_cut_off(home: Path, content: str) -> None:
    file = home / "postgres" / "data" / "postmaster.pid"
    file.write_text(content)
    os.chown(file, _server_uid(home), -1)
    with EmbeddedPostgres(home, HURRY) as server:
        assert kept(server.url()) == "since the beginning"


def test_an_interrupted_first_start_begins_again(tmp_path: Path, made: Path) -> None:
    home = tmp_path / "home"
    subprocess.run(["cp", "-a", made, home], check=True)
    shutil.copytree(home / "postgres" / "data" / "base", home / "postgres" / "data.unfinished")
    shutil.rmtree(home / "postgres" / "data")
    with EmbeddedPostgres(home, HURRY) as server:
        assert ask(server.url(), "SELECT 1") == [(1,)]
    assert not (home / "postgres" / "data.unfinished").exists()


def test_paths_with_odd_characters(open_folder: Path, made: Path) -> None:
    home = open_folder / "it's 100% ü, ok"
    subprocess.run(["cp", "-a", made, home], check=True)
    with EmbeddedPostgres(home, HURRY) as server:
        assert kept(server.url()) == "since the beginning"


def test_a_path_too_long_for_a_socket(open_folder: Path, made: Path) -> None:
    home = open_folder / ("long" * 30) / "home"
    home.parent.mkdir()
    subprocess.run(["cp", "-a", made, home], check=True)
    with EmbeddedPostgres(home, HURRY) as server, EmbeddedPostgres(home, HURRY) as other:
        assert kept(server.url()) == "since the beginning"
        assert other.url() == server.url()
        socket = Path(psycopg.conninfo.conninfo_to_dict(server.url())["host"])  # type: ignore[arg-type]
        assert socket.parent == Path(tempfile.gettempdir())
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert not socket.exists()


# --- closed to others --------------------------------------------------------------------------


def test_nobody_else_can_enter_nor_read_values_in_its_log(home: Path) -> None:
    with EmbeddedPostgres(home, HURRY) as server:
        socket = Path(str(psycopg.conninfo.conninfo_to_dict(server.url())["host"]))
        for folder in (home / "postgres", home / "postgres" / "data", socket):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert ask(server.url(), "SHOW listen_addresses") == [("",)]
        assert ask(server.url(), "SHOW unix_socket_permissions") == [("0700",)]
        rules = ask(server.url(), "SELECT type, auth_method FROM pg_hba_file_rules")
        assert rules == [("local", "peer")]
        owners = ask(server.url(), "SELECT sys_name FROM pg_ident_file_mappings")
        names = {pwd.getpwuid(uid).pw_name for uid in (os.geteuid(), _server_uid(home), 0)}
        assert {row[0] for row in owners} == names
        owner = Path(f"/proc/{postmaster(home)}").stat().st_uid
        assert owner == _server_uid(home)
        assert pwd.getpwuid(owner).pw_name == machine.SERVER_USER or not AS_ROOT
        for question in ("SELECT 'private'::integer", "SELECT no_such_column, 'private'"):
            with pytest.raises(psycopg.Error):
                ask(server.url(), question)
    log = (home / "postgres" / "server.log").read_text()
    assert "ready to accept connections" in log
    assert "no_such_column" in log
    assert "SELECT" not in log, "no values"


@only_root
def test_the_kernel_tells_who_knocks(reachable: Path) -> None:
    """Even where the folders are opened by mistake, another user is turned away."""
    with EmbeddedPostgres(reachable, HURRY) as server:
        url = psycopg.conninfo.conninfo_to_dict(server.url())
        knock = [
            str(programs() / "psql"),
            f"--host={url['host']}",
            "--username=postgres",
            "--dbname=evergrant",
            "--no-psqlrc",
            "--command=SELECT 1",
        ]

        def as_nobody() -> str:
            nobody = pwd.getpwnam("nobody")
            done = subprocess.run(
                knock,
                user=nobody.pw_uid,
                group=nobody.pw_gid,
                extra_groups=[],
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
            )
            assert done.returncode != 0
            return done.stderr

        assert "Permission denied" in as_nobody()
        for opened in (reachable, reachable / "postgres", Path(str(url["host"]))):
            opened.chmod(0o777)
        Path(str(url["host"]), ".s.PGSQL.5432").chmod(0o777)
        assert "authentication failed" in as_nobody()


# --- root and not root -------------------------------------------------------------------------


@functools.cache
def as_nobody() -> dict[str, Any]:
    """Options of a ``User`` that is neither root nor the server's user."""
    nobody = pwd.getpwnam("nobody")
    identity: dict[str, Any] = {
        "user": nobody.pw_uid,
        "group": nobody.pw_gid,
        "extra_groups": [],
        "cwd": "/",
        "env": {"PATH": os.defpath, "PYTHONPATH": ":".join(filter(None, sys.path))},
    }
    version = f"python3.{sys.version_info.minor}"
    for python in filter(None, (sys.executable, shutil.which(version, path=os.defpath))):
        try:
            subprocess.run([python, "-c", USE.partition("server =")[0]], check=True, **identity)
        except (PermissionError, subprocess.CalledProcessError):
            continue
        return {"python": python, **identity}
    pytest.skip("no interpreter that another user can run: root keeps Python to itself here")


@pytest.fixture
def somebodys_folder(open_folder: Path) -> Path:
    folder = open_folder / "nobodys"
    folder.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return folder


@pytest.fixture
def reachable(made: Path, open_folder: Path) -> Iterator[Path]:
    """A home that others can reach, as far as the folders above it are concerned."""
    copy = open_folder / "home"
    subprocess.run(["cp", "-a", made, copy], check=True)
    yield copy
    if (copy / "postgres" / "data" / "postmaster.pid").exists():
        with EmbeddedPostgres(copy, HURRY):
            pass


@only_root
def test_as_an_ordinary_user(somebodys_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    home = somebodys_folder / "home"
    user = User(home, **as_nobody())
    url = user.url()
    assert Path(f"/proc/{postmaster(home)}").stat().st_uid == nobody.pw_uid
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    # root may look after it, and joins without taking it over.
    with EmbeddedPostgres(home) as server:
        assert server.url() == url
        assert ask(url, "SELECT 1") == [(1,)]
    user.leave()
    with EmbeddedPostgres(home, HURRY):
        assert Path(f"/proc/{postmaster(home)}").stat().st_uid == nobody.pw_uid
    again = User(home, **as_nobody())
    again.url()
    again.leave()


@only_root
def test_another_users_home_is_refused_with_a_reason(reachable: Path) -> None:
    for mode, reason in ((0o700, "cannot be written"), (0o777, "belongs to another user")):
        reachable.chmod(mode)
        for left in reachable.glob("postgres.*"):
            left.unlink()
        _, error = User(reachable, **as_nobody()).process.communicate(timeout=60)
        assert reason in error


@pytest.fixture
def closed_home(open_folder: Path) -> Path:
    """Below a folder that only root enters."""
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    return closed / "home"


def enters(user: str, folder: Path, what: str = "-x") -> bool:
    return machine.may(pwd.getpwnam(user), what, folder)


@only_root
def test_the_servers_user_and_nobody_else_is_let_through(
    closed_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "ROOTS_FOLDER", Path("/nonexistent/roots"))
    with EmbeddedPostgres(closed_home, HURRY) as server:
        assert ask(server.url(), "SELECT 1") == [(1,)]
        for folder in (closed_home, closed_home.parent):
            assert enters(machine.SERVER_USER, folder)
            assert not enters(machine.SERVER_USER, folder, "-r")
            assert not enters("nobody", folder)
    # Somebody closes the folder again: chmod takes the list's mask away.
    closed_home.parent.chmod(0o700)
    assert not enters(machine.SERVER_USER, closed_home)
    with EmbeddedPostgres(closed_home, HURRY) as server:
        assert ask(server.url(), "SELECT 1") == [(1,)]


@only_root
def test_an_access_list_that_is_there_is_kept(closed_home: Path) -> None:
    closed, uid = closed_home.parent, pwd.getpwnam("nobody").pw_uid
    entries = [(1, 7, -1), (2, 5, uid), (4, 0, -1), (16, 5, -1), (32, 0, -1)]
    packed = b"".join(struct.pack("<HHi", *entry) for entry in entries)
    os.setxattr(closed, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    assert enters("nobody", closed)
    assert let_pass(pwd.getpwnam("daemon"), closed)
    assert enters("nobody", closed, "-r")
    assert not enters("nobody", closed, "-w")
    assert not enters("daemon", closed, "-r")


@only_root
def test_nobody_gains_by_a_wider_mask(closed_home: Path) -> None:
    """An entry that its mask holds back stays held back."""
    closed, uid = closed_home.parent, pwd.getpwnam("nobody").pw_uid
    entries = [(1, 7, -1), (2, 7, uid), (4, 5, -1), (16, 4, -1), (32, 0, -1)]
    packed = b"".join(struct.pack("<HHi", *entry) for entry in entries)
    os.setxattr(closed, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    assert let_pass(pwd.getpwnam("daemon"), closed)
    assert enters("daemon", closed)
    assert not enters("nobody", closed)
    assert enters("nobody", closed, "-r")


@only_root
def test_where_no_access_lists_are_kept_the_data_lies_elsewhere(
    closed_home: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", unsupported)
    elsewhere = open_folder / "roots"
    monkeypatch.setattr(machine, "ROOTS_FOLDER", elsewhere)
    with EmbeddedPostgres(closed_home, HURRY) as server:
        assert ask(server.url(), "SELECT 1") == [(1,)]
        target = (closed_home / "postgres").readlink()
        assert target.parent == elsewhere
        assert stat.S_IMODE(target.stat().st_mode) == 0o700
        assert stat.S_IMODE(closed_home.parent.stat().st_mode) == 0o700
    with EmbeddedPostgres(closed_home, HURRY) as server:
        assert (closed_home / "postgres").readlink() == target
        running = postmaster(closed_home)
    assert not alive(running)
    shutil.rmtree(target)
    with pytest.raises(Misconfigured, match="gone") as refused:
        EmbeddedPostgres(closed_home, HURRY).start()
    assert "link" in (refused.value.hint or "")


@only_root
def test_programs_that_the_servers_user_cannot_reach_are_copied(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, closed = open_folder / "roots", open_folder / "closed"
    monkeypatch.setattr(machine, "ROOTS_FOLDER", elsewhere)
    package = programs().parents[1]
    place = closed / package.name / programs().parent.name
    # What makes and starts a server; the rest is not worth two copies.
    started_with = ("initdb", "pg_ctl", "postgres")
    others = [path.name for path in programs().iterdir() if path.name not in started_with]
    left_out = shutil.ignore_patterns("include", "pgxs", "*.a", *others)
    shutil.copytree(programs().parent, place, symlinks=True, ignore=left_out)
    libraries = f"{package.name}.libs"
    shutil.copytree(package.with_name(libraries), closed / libraries, symlinks=True)
    for path in (closed, *closed.rglob("*")):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o700)
    monkeypatch.setattr(machine, "programs", lambda: place / "bin")
    for _ in range(2):
        with EmbeddedPostgres(open_folder / "home", HURRY) as server:
            assert ask(server.url(), "SELECT 1") == [(1,)]
    assert len(list(elsewhere.iterdir())) == 1


# --- plain words -------------------------------------------------------------------------------


def test_a_server_that_does_not_start_says_why(home: Path) -> None:
    with pytest.raises(StoreUnavailable) as refused:
        EmbeddedPostgres(home, {**HURRY, "max_connections": "plenty"}).start()
    assert "max_connections" in (refused.value.hint or "")
    assert "EVERGRANT_DATABASE_URL" in (refused.value.hint or "")
    with EmbeddedPostgres(home, HURRY) as server:
        assert kept(server.url()) == "since the beginning"


def test_data_of_another_version(home: Path) -> None:
    file = home / "postgres" / "data" / "PG_VERSION"
    file.write_text("17\n")
    with pytest.raises(Misconfigured, match="PostgreSQL 17"):
        EmbeddedPostgres(home, HURRY).start()
    file.write_text("18\n")


def test_a_home_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured) as refused:
        EmbeddedPostgres(tmp_path / "file").start()
    assert refused.value.setting == "EVERGRANT_HOME"


def test_something_in_the_way_of_the_socket(home: Path) -> None:
    socket = home / "postgres" / "socket"
    shutil.rmtree(socket)
    socket.symlink_to("/tmp")
    with pytest.raises(Misconfigured, match="in the way"):
        EmbeddedPostgres(home, HURRY).start()
    socket.unlink()


def test_without_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Misconfigured) as refused:
        programs()
    assert refused.value.setting == "EVERGRANT_DATABASE_URL"


@only_root
def test_root_on_a_machine_where_no_user_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SERVER_USER", "evergrant-test-nobody-makes-me")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(Misconfigured, match="refuses to run as root"):
        EmbeddedPostgres(tmp_path / "home").start()


def test_a_start_that_failed_holds_nothing(home: Path) -> None:
    server = EmbeddedPostgres(home, {**HURRY, "max_connections": "plenty"})
    with pytest.raises(StoreUnavailable):
        server.start()
    running = User(home)
    running.url()
    server.stop()
    pid = postmaster(home)
    running.leave()
    assert not alive(pid)
