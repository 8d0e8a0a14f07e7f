"""`weir stream`: what runs on this machine, asked and stopped from another process over the control socket."""
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import time

import pytest
from deltalake import DeltaTable
from weir_programs import TOPIC, WEIR, event_schema, simulate, weir_hub

SECONDS = 60


@pytest.fixture
def runtime(tmp_path):
    """A folder of sockets that only this test uses (short: a socket's path is limited to 107 bytes)."""
    folder = tmp_path / "r"
    folder.mkdir(mode=0o700)
    return {**os.environ, "XDG_RUNTIME_DIR": str(folder)}


def run(environment, *arguments, code=0):
    done = subprocess.run([WEIR, *arguments], capture_output=True, text=True, timeout=SECONDS, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def stream_json(environment, *arguments, code=0):
    return json.loads(run(environment, "stream", *arguments, "--output", "json", code=code).stdout)


def until(condition, process):
    """Asks until there is an answer; the process has to live as long."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    raise AssertionError("nothing of what was waited for within a minute")


@contextlib.contextmanager
def ingesting(environment, *arguments):
    process = subprocess.Popen([WEIR, "ingest", *arguments, "--output", "json"], env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def file_query(tmp_path, name, *options):
    folder = tmp_path / f"in-{name}"
    folder.mkdir(exist_ok=True)
    (folder / "a.json").write_text('{"id":1}\n{"id":2}\nnot json\n')
    return ["--from", str(folder), "--format", "json", "--schema", "id BIGINT", "--to", str(tmp_path / name),
            "--checkpoint", str(tmp_path / f"{name}-checkpoint"), *options]


def has_rows(environment, name, rows):
    def look():
        queries = [q for q in stream_json(environment, "list")["queries"] if q["name"] == name and q["inputRows"] >= rows]
        return queries[0] if queries else None
    return look


def test_a_query_is_listed_shown_and_stopped(tmp_path, runtime):
    assert stream_json(runtime, "list") == {"queries": []}
    assert run(runtime, "stream", "list").stdout == "no queries are running\n"
    with ingesting(runtime, *file_query(tmp_path, "first")) as first, \
            ingesting(runtime, *file_query(tmp_path, "table2", "--name", "second", "--trigger", "0s")) as second:
        listed = until(has_rows(runtime, "first", 3), first)
        until(has_rows(runtime, "second", 3), second)
        assert listed["pid"] == first.pid
        assert listed["isActive"] is True
        assert (listed["inputRows"], listed["outputRows"], listed["corruptRows"]) == (3, 3, 1)
        assert listed["checkpoint"] == str(tmp_path / "first-checkpoint")
        lines = run(runtime, "stream", "list").stdout.splitlines()
        assert lines[0].split() == ["NAME", "PID", "STATE", "ROWS", "SINK"]
        assert {tuple(line.split()[:4]) for line in lines[1:]} == {("first", str(first.pid), "active", "3"),
                                                                   ("second", str(second.pid), "active", "3")}

        shown = stream_json(runtime, "show", "second")
        assert shown["query"]["name"] == "second"
        assert shown["query"]["trigger"] == "0ms"
        progress = shown["lastProgress"]
        assert progress["numInputRows"] == 3
        assert progress["batchId"] == 0
        assert progress["sources"][0]["description"] == f"FileStreamSource[file:{tmp_path}/in-table2]"
        assert progress["sources"][0]["endOffset"] == {"logOffset": 0}
        assert progress in shown["recentProgress"]
        assert len(shown["recentProgress"]) <= 100
        text = run(runtime, "stream", "show", "second").stdout
        assert json.loads(text)["query"]["id"] == shown["query"]["id"], "the text is for people, and is JSON too"
        # By id and by run id as well.
        for key in ("id", "runId"):
            assert stream_json(runtime, "show", shown["query"][key])["query"]["name"] == "second"

        # The socket is nobody else's.
        sockets = os.listdir(tmp_path / "r" / "weir")
        assert sorted(sockets) == sorted(f"{p.pid}.sock" for p in (first, second))
        for name in sockets:
            assert stat.S_IMODE(os.stat(tmp_path / "r" / "weir" / name).st_mode) == 0o600

        stopped = stream_json(runtime, "stop", "second")
        assert stopped["stopped"] is True
        assert stopped["query"]["isActive"] is False
        out, _ = second.communicate(timeout=SECONDS)
        assert second.returncode == 0
        final = json.loads(out.splitlines()[-1])
        assert (final["final"], final["inputRows"], final["corruptRows"]) == (True, 3, 1)
        assert [q["name"] for q in stream_json(runtime, "list")["queries"]] == ["first"]

        first.send_signal(signal.SIGTERM)
        assert first.wait(SECONDS) == 0
    assert DeltaTable(str(tmp_path / "first")).to_pyarrow_table().num_rows == 3
    assert os.listdir(tmp_path / "r" / "weir") == []


@pytest.mark.parametrize("command", ["show", "stop"])
def test_an_unknown_name_is_not_found(runtime, command):
    answer = stream_json(runtime, command, "nobody", code=3)
    assert answer["error"]["kind"] == "NOT_FOUND"
    assert "'nobody'" in answer["error"]["message"]
    assert "'nobody'" in run(runtime, "stream", command, "nobody", code=3).stderr
    run(runtime, "stream", command, code=2)


def test_wrong_words_are_usage_errors(runtime):
    for arguments in ([], ["start", "x"], ["list", "x"], ["list", "--output", "xml"]):
        run(runtime, "stream", *arguments, code=2)


def test_a_checkpoint_in_use_is_refused_and_its_holder_named(tmp_path, runtime):
    query = file_query(tmp_path, "events")
    with ingesting(runtime, *query) as first:
        until(has_rows(runtime, "events", 3), first)
        refused = run(runtime, "ingest", *query, "--output", "json", code=5)
        message = json.loads(refused.stdout)["error"]
        assert message["kind"] == "CONFLICT"
        assert "query 'events' with id " in message["message"]
        assert f" in process {first.pid} since 20" in message["message"]
        assert str(first.pid) in refused.stderr
        # The first one goes on.
        (tmp_path / "in-events" / "b.json").write_text('{"id":3}\n')
        until(has_rows(runtime, "events", 4), first)
        stream_json(runtime, "stop", "events")
        assert first.wait(SECONDS) == 0
    # What was stopped is free again, and goes on where it was.
    again = run(runtime, "ingest", *query, "--trigger", "availableNow", "--output", "json")
    assert json.loads(again.stdout.splitlines()[-1])["inputRows"] == 0
    assert DeltaTable(str(tmp_path / "events")).to_pyarrow_table().num_rows == 4


def test_the_socket_of_a_killed_process_is_cleared_away(tmp_path, runtime):
    with ingesting(runtime, *file_query(tmp_path, "events")) as process:
        until(has_rows(runtime, "events", 3), process)
        process.kill()
        process.wait(SECONDS)
        assert os.listdir(tmp_path / "r" / "weir") == [f"{process.pid}.sock"]
        assert stream_json(runtime, "list") == {"queries": []}
        assert os.listdir(tmp_path / "r" / "weir") == []


def test_a_folder_that_others_may_write_to_is_refused(tmp_path, runtime):
    folder = tmp_path / "r" / "weir"
    folder.mkdir()
    folder.chmod(0o777)
    done = run(runtime, "stream", "list", code=1)
    assert str(folder) in done.stderr


def test_garbage_on_the_socket_harms_nobody(tmp_path, runtime):
    with ingesting(runtime, *file_query(tmp_path, "events")) as process:
        until(has_rows(runtime, "events", 3), process)
        path = str(tmp_path / "r" / "weir" / f"{process.pid}.sock")

        def ask(question):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(SECONDS)
                connection.connect(path)
                connection.sendall(question)
                return connection.makefile("rb").readline()
        for question in (b"\n", b"hello\n", b"[]\n", b'{"command":"drop"}\n', b'{"command":7}\n', b"\xff\xfe\n"):
            assert json.loads(ask(question))["error"]["kind"], question
        with contextlib.suppress(OSError):
            assert ask(b"x" * 200_000) == b"", "too long a question has no answer"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)  # and away
        assert json.loads(ask(b'{"command":"list"}\n'))["queries"][0]["name"] == "events"


def test_a_stop_does_not_wait_for_a_broker_that_is_gone(tmp_path, runtime):
    with weir_hub(str(tmp_path), "--topic", f"{TOPIC}:1") as bootstrap:
        simulate(bootstrap, 10)
        with ingesting(runtime, "--from", f"kafka://{bootstrap}/{TOPIC}", "--schema", event_schema(), "--to",
                       str(tmp_path / "events"), "--checkpoint", str(tmp_path / "checkpoint"), "--trigger", "0s") as process:
            until(has_rows(runtime, "events", 10), process)
            assert stream_json(runtime, "show", "events")["lastProgress"]["sources"][0]["endOffset"] == {TOPIC: {"0": 10}}
            hub = int(subprocess.run(["pgrep", "-f", f"hub --dir {tmp_path}/hub "], capture_output=True, text=True).stdout)
            os.kill(hub, signal.SIGSTOP)
            try:
                time.sleep(1)  # so that a question is under way
                assert stream_json(runtime, "stop", "events")["stopped"] is True
                assert process.wait(SECONDS) == 0
            finally:
                os.kill(hub, signal.SIGCONT)


def test_the_demos_query_is_there_too(tmp_path, runtime):
    demo = subprocess.Popen([WEIR, "demo", "--duration", "60s", "--dir", str(tmp_path / "d")], env=runtime,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(has_rows(runtime, "demo", 1), demo)
        assert stream_json(runtime, "stop", "demo")["stopped"] is True
        _, said = demo.communicate(timeout=SECONDS)
        assert demo.returncode == 1
        assert "stopped before the end" in said
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.communicate()
