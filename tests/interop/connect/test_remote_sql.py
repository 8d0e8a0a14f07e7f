"""`weir sql --remote` against `weir serve`, as it would be against any Spark Connect server."""
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import WEIR, Server


def sql(address, *arguments, code=0, **more):
    done = subprocess.run([WEIR, "sql", "--remote", address, *arguments], capture_output=True, text=True, timeout=60, **more)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_rows_of_each_output(server):
    query = "SELECT 1 AS a, 'x' AS b, DATE'2024-02-29' AS d, array(1, NULL) AS l, named_struct('k', 1.50BD) AS s"
    row = json.loads(sql(server.address, query, "--output", "json").stdout)
    assert row == {"a": 1, "b": "x", "d": "2024-02-29", "l": [1, None], "s": {"k": 1.50}}
    assert sql(server.address, "SELECT 1 AS a, 'x' AS b", "--output", "csv").stdout.split() == ["a,b", "1,x"]
    table = sql(server.address, "SELECT 1 AS a")
    assert "a" in table.stdout and "1 row in" in table.stderr


def test_the_same_as_here(server):
    query = "SELECT id, id * 1.5 AS d, CAST(id AS STRING) AS s, TIMESTAMP'2024-07-01 12:00:00' AS t FROM range(1000) ORDER BY id DESC"
    here = subprocess.run([WEIR, "sql", query, "--output", "csv", "--time-zone", "Asia/Tokyo"], capture_output=True, text=True, timeout=60)
    assert sql(server.address, query, "--output", "csv", "--time-zone", "Asia/Tokyo").stdout == here.stdout != ""


def test_statements_of_one_session(server):
    done = sql(server.address, "CREATE TEMPORARY VIEW v AS SELECT 7 AS a; SELECT a FROM v; -- the end ;\n SET x.y = 'a;b'; SELECT ';' AS c", "--output", "csv", "-q")
    assert done.stdout.split() == ["a", "7", "key,value", "x.y,'a;b'", "c", ";"] and done.stderr == ""
    assert "done in" in sql(server.address, "CREATE TEMPORARY VIEW v AS SELECT 1 AS a").stderr


def test_errors_of_the_server(server):
    done = subprocess.run([WEIR, "sql", "--remote", server.address, "SELECT * FROM nowhere_table"], capture_output=True, text=True)
    assert done.returncode != 0 and "TABLE_OR_VIEW_NOT_FOUND" in done.stderr and "nowhere_table" in done.stderr


def test_ansi_off(server):
    assert sql(server.address, "SELECT 1 / 0 AS a", "--no-ansi", "--output", "json").stdout.strip() == '{"a":null}'


def test_the_prompt_goes_on_after_an_error(server):
    done = sql(server.address, "-i", "-q", "--output", "csv", input="SELECT nowhere;\nSELECT 5 AS five;\n")
    assert done.stdout.split() == ["five", "5"] and "nowhere" in done.stderr


def test_a_token(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    server = Server(tmp_path / "warehouse", "--token-file", str(tmp_path / "token"), listen="localhost:0")
    try:
        assert sql(server.address + "/;token=secret", "SELECT 1 AS a", "--output", "csv").stdout.split() == ["a", "1"]
        done = subprocess.run([WEIR, "sql", "--remote", server.address, "SELECT 1"], capture_output=True, text=True)
        assert done.returncode != 0 and "token" in done.stderr
    finally:
        assert server.stop() == 0


def test_tls(tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert"),
                    "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    server = Server(tmp_path / "warehouse", "--tls-cert", str(tmp_path / "cert"), "--tls-key", str(tmp_path / "key"), listen="localhost:0")
    try:
        trust = {**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(tmp_path / "cert")}
        assert sql(server.address + "/;use_ssl=true", "SELECT 1 AS a", "--output", "csv", env=trust).stdout.split() == ["a", "1"]
        refused = subprocess.run([WEIR, "sql", "--remote", server.address + "/;use_ssl=true", "SELECT 1"], capture_output=True, text=True, timeout=60)
        assert refused.returncode != 0
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("address", ["localhost:15002", "sc://", "sc://host:port", "sc://host/path", "sc://host/;token"])
def test_addresses_that_are_none(address):
    done = subprocess.run([WEIR, "sql", "--remote", address, "SELECT 1"], capture_output=True, text=True)
    assert done.returncode != 0 and "sc://HOST:PORT" in done.stderr


def test_interrupt_stops_the_query_on_the_server(server, spark):
    process = subprocess.Popen([WEIR, "sql", "--remote", server.address, "SELECT count(*) FROM range(20000000) a JOIN range(1000) b ON a.id % 7 = b.id % 5"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode != 0 and "cancel" in errors.lower()
    assert spark.range(3).count() == 3
