"""The embedded Postgres: one owner, many visitors, and nothing left behind whoever dies."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from fhir_server.settings import ConfigurationError
from fhir_server.store import cluster, embedded, guise
from fhir_server.store import folder as folders
from fhir_server.store.binaries import binaries
from fhir_server.store.embedded import EmbeddedPostgres, attach_or_start
from fhir_server.store.folder import DataFolder, FolderInUse

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

OWNER = """
import sys, time
from pathlib import Path
from fhir_server.store import guise
from fhir_server.store.embedded import EmbeddedPostgres
guise.ON_LINUX = guise.ON_LINUX and "--watched" not in sys.argv
server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start(), flush=True)
print(server._process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def used_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose server has been stopped."""
    path = tmp_path_factory.mktemp("used")
    server = EmbeddedPostgres(path, fsync="off")
    server.start()
    server.stop()
    return path


@pytest.fixture
def data_dir(new_dir: Path, used_folder: Path) -> Path:
    """A data folder that has been used before, which saves the second that initdb takes."""
    return shutil.copytree(used_folder, new_dir)


@pytest.fixture
def new_dir(folder: Path) -> Path:
    """A data folder that does not exist yet."""
    return folder / "data"


@pytest.fixture
def owner(data_dir: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str, int]]]:
    """Starts another process that owns the server: the process, the DSN, the server's pid."""
    started: list[subprocess.Popen[str]] = []

    def start(*flags: str) -> tuple[subprocess.Popen[str], str, int]:
        command = [sys.executable, "-c", OWNER, str(data_dir), *flags]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "."}
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip(), int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.wait()


def is_running(pid: int) -> bool:
    """Not gone, and not a zombie that nobody has buried yet."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def count(dsn: str, statement: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_a_new_folder_becomes_a_server_that_keeps_its_rows(new_dir: Path) -> None:
    server = EmbeddedPostgres(new_dir)
    with psycopg.connect(server.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS value")
    server.stop()
    try:
        assert count(server.start(), "SELECT count(*) FROM kept") == 1
    finally:
        server.stop()


def test_nobody_gets_in_without_the_password_or_over_the_network(data_dir: Path) -> None:
    with attach_or_start(data_dir) as running:
        without = psycopg.conninfo.make_conninfo(running.dsn, password="wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(without)
        with psycopg.connect(running.dsn) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        for name in ("password", "connection.json", "owner.lock"):
            assert (data_dir / name).stat().st_mode & 0o077 == 0
        for name in ("postgres", "socket"):
            assert (data_dir / name).stat().st_mode & 0o077 == 0


def test_it_is_durable_unless_told_otherwise(data_dir: Path) -> None:
    with attach_or_start(data_dir) as running, psycopg.connect(running.dsn) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert connection.execute(f"SHOW {setting}".encode()).fetchone() == ("on",)


@pytest.mark.parametrize("flags", [(), ("--watched",)], ids=["by the kernel", "by a watcher"])
def test_the_server_ends_with_its_owner_however_that_ends(
    owner: Callable[..., tuple[subprocess.Popen[str], str, int]], flags: tuple[str, ...]
) -> None:
    process, _, pid = owner(*flags)
    assert is_running(pid)
    process.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_running(pid))


WORKERS = """
import multiprocessing, time
from fhir_server.store.guise import end_with_parent

def work(pipe):
    end_with_parent()
    pipe.send(multiprocessing.current_process().pid)
    time.sleep(600)

end_with_parent()
here, there = multiprocessing.Pipe()
multiprocessing.get_context("fork").Process(target=work, args=(there,)).start()
print(here.recv(), flush=True)
time.sleep(600)
"""


def test_a_worker_ends_with_the_process_that_started_it() -> None:
    environment = os.environ | {"PYTHONPATH": "."}
    parent = subprocess.Popen(
        [sys.executable, "-c", WORKERS], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert is_running(worker)
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_running(worker))


def test_what_was_committed_survives_the_kill_of_owner_and_server(
    owner: Callable[..., tuple[subprocess.Popen[str], str, int]],
) -> None:
    process, dsn, pid = owner()
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS value")
    os.kill(pid, signal.SIGKILL)
    process.kill()
    wait_until(lambda: not is_running(pid))
    _, again, _ = owner()
    assert count(again, "SELECT count(*) FROM kept") == 1000


def test_the_next_owner_waits_until_the_server_of_a_killed_one_is_gone(
    owner: Callable[..., tuple[subprocess.Popen[str], str, int]], data_dir: Path
) -> None:
    process, _, pid = owner()
    process.kill()
    process.wait()
    server = EmbeddedPostgres(data_dir)
    try:
        assert count(server.start(), "SELECT 1") == 1
        assert not is_running(pid)
    finally:
        server.stop()


def test_a_stopped_server_still_guards_its_folder_when_the_owner_is_gone(
    owner: Callable[..., tuple[subprocess.Popen[str], str, int]],
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process, _, pid = owner()
    os.kill(pid, signal.SIGSTOP)
    try:
        process.kill()
        process.wait()
        monkeypatch.setattr(folders, "LAST_BREATH_SECONDS", 0.3)
        with pytest.raises(FolderInUse):
            EmbeddedPostgres(data_dir).start()
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not is_running(pid))


def test_a_second_owner_is_told_who_the_first_one_is(
    owner: Callable[..., tuple[subprocess.Popen[str], str, int]], data_dir: Path
) -> None:
    process, _, _ = owner()
    with pytest.raises(FolderInUse, match=rf"in use by process {process.pid} .*--data-dir"):
        EmbeddedPostgres(data_dir).start()


def test_other_commands_attach_to_the_server_that_runs(
    owner: Callable[..., tuple[subprocess.Popen[str], str, int]], data_dir: Path
) -> None:
    _, dsn, pid = owner()
    with attach_or_start(data_dir) as running:
        assert (running.dsn, running.owner) == (dsn, False)
    assert is_running(pid)


def test_commands_that_start_at_the_same_time_share_one_server(new_dir: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom fhir_server.store.embedded import attach_or_start\n"
        "with attach_or_start(Path(sys.argv[1])) as running:\n"
        "    import psycopg, time\n"
        "    with psycopg.connect(running.dsn) as c:\n"
        "        time.sleep(1.0 if not running.owner else 0.2)\n"
        "        print(c.execute('SELECT pg_postmaster_start_time()').fetchone()[0])\n"
    )
    command = [sys.executable, "-c", script, str(new_dir)]
    environment = os.environ | {"PYTHONPATH": "."}
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(4)
    ]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert len(set(said)) == 1


@pytest.mark.parametrize(("failure", "waits"), [(None, True), (ValueError, True), (KeyboardInterrupt, False)])
def test_who_started_a_server_waits_for_its_visitors_unless_interrupted(
    data_dir: Path, failure: type[BaseException] | None, waits: bool
) -> None:
    left = threading.Event()

    def leave(visit: contextlib.ExitStack) -> None:
        time.sleep(0.3)
        left.set()
        visit.close()

    with contextlib.suppress(ValueError, KeyboardInterrupt), attach_or_start(data_dir):
        visit = contextlib.ExitStack()
        assert not visit.enter_context(attach_or_start(data_dir)).owner
        visitor = threading.Thread(target=leave, args=(visit,))
        visitor.start()
        if failure:
            raise failure
    assert left.is_set() is waits
    visitor.join()


def test_a_server_of_ones_own_ends_with_the_block(data_dir: Path) -> None:
    with attach_or_start(data_dir) as running:
        assert running.owner
        pid = count(running.dsn, "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")
    assert not is_running(pid)
    assert not (data_dir / "connection.json").exists()


def test_a_number_in_postmaster_pid_that_is_now_another_process_does_no_harm(data_dir: Path) -> None:
    with attach_or_start(data_dir):
        pass
    (data_dir / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    with attach_or_start(data_dir) as running:
        assert running.owner


def test_a_server_that_was_started_by_hand_is_left_alone(data_dir: Path) -> None:
    with attach_or_start(data_dir):
        pass
    stranger = subprocess.Popen(["sleep", "60"], cwd=data_dir / "postgres")
    try:
        (data_dir / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n")
        with pytest.raises(FolderInUse, match="by hand"):
            EmbeddedPostgres(data_dir).start()
    finally:
        stranger.kill()
        stranger.wait()


def test_a_path_too_long_for_a_socket_gets_a_short_one_that_is_kept(data_dir: Path) -> None:
    long = data_dir / ("x" * 100)
    with attach_or_start(long) as running:
        first = running.dsn
    with attach_or_start(long) as running:
        assert running.dsn == first
    sockets = Path((long / "socket_folder").read_text())
    assert sockets.stat().st_mode & 0o077 == 0
    sockets.rmdir()


def test_spaces_and_quotes_in_the_path_are_only_letters(data_dir: Path) -> None:
    with attach_or_start(data_dir / "a patient's, 'quoted' folder") as running:
        assert count(running.dsn, "SELECT 1") == 1
    (sockets := Path((data_dir / "a patient's, 'quoted' folder" / "socket_folder").read_text())).rmdir()
    assert not sockets.exists()


def test_an_interrupted_initdb_is_made_anew(new_dir: Path) -> None:
    (new_dir / "postgres.unfinished").mkdir(parents=True)
    (new_dir / "postgres.unfinished" / "PG_VERSION").write_text("18\n")
    with attach_or_start(new_dir) as running:
        assert count(running.dsn, "SELECT 1") == 1


@as_root
def test_a_folder_of_another_user_is_refused_with_advice(data_dir: Path) -> None:
    os.chown(data_dir / "postgres", 4242, 4242)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        EmbeddedPostgres(data_dir).start()


def test_files_of_somebody_else_are_never_replaced(new_dir: Path) -> None:
    (new_dir / "postgres").mkdir(parents=True)
    (new_dir / "postgres" / "mine.txt").write_text("kept")
    with pytest.raises(ConfigurationError):
        EmbeddedPostgres(new_dir).start()
    assert (new_dir / "postgres" / "mine.txt").read_text() == "kept"


def test_a_lost_password_is_said_at_once(data_dir: Path) -> None:
    with attach_or_start(data_dir):
        pass
    (data_dir / "password").unlink()
    with pytest.raises(ConfigurationError, match=r"password is missing: put it back"):
        EmbeddedPostgres(data_dir).start()


def test_a_setting_that_postgres_refuses_is_said_and_leaves_nothing_behind(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, max_connections="none")
    with pytest.raises(ConfigurationError, match="max_connections"):
        server.start()
    with attach_or_start(data_dir) as running:
        assert running.owner


def test_a_folder_that_is_a_file_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="choose another --data-dir"):
        EmbeddedPostgres(tmp_path / "file").start()


def test_only_the_main_thread_starts_a_server(data_dir: Path) -> None:
    said: list[str] = []

    def start() -> None:
        try:
            EmbeddedPostgres(data_dir).start()
        except RuntimeError as error:
            said.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in said[0]


@as_root
def test_root_without_user_namespaces_runs_postgres_as_nobody(
    new_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(guise, "_enter_namespace", refuse)
        with attach_or_start(new_dir) as running:
            assert count(running.dsn, "SELECT 1") == 1
            assert (new_dir / "postgres").stat().st_uid == guise.NOBODY
    with attach_or_start(new_dir) as running:
        assert count(running.dsn, "SELECT 1") == 1


@as_root
def test_root_that_cannot_become_anybody_is_asked_for_a_dsn(
    new_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(guise, "_enter_namespace", refuse)
    os.chmod(new_dir.parent, 0o700)
    with pytest.raises(ConfigurationError, match="CHARTLINE_DSN"):
        EmbeddedPostgres(new_dir).start()


def test_pg_bindir_has_the_first_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binaries.cache_clear()
    monkeypatch.setenv("PG_BINDIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="PG_BINDIR"):
        binaries()
    monkeypatch.undo()
    assert (binaries() / "postgres").exists()


def test_small_shared_memory_is_replaced_by_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "SMALL_SHARED_MEMORY", 1 << 60)
    assert EmbeddedPostgres(Path("data")).settings["dynamic_shared_memory_type"] == "mmap"


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("FATAL: could not write: No space left on device", "make room"),
        ("DETAIL: ... which is not compatible with this version 18.6.", "dump it there"),
        ("FATAL: something new", "something new"),
        ("", "it said nothing"),
    ],
)
def test_what_postgres_says_comes_with_what_to_do(said: str, advice: str) -> None:
    assert advice in cluster.advice(said)


def test_the_owner_is_known_by_pid_and_command(data_dir: Path) -> None:
    with attach_or_start(data_dir):
        assert DataFolder(data_dir).owner()["pid"] == str(os.getpid())
        assert json.loads((data_dir / "connection.json").read_text())["pid"] == os.getpid()
