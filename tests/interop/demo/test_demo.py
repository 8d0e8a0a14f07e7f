"""The demo end to end, read with other programs; and verify, which has to find what is wrong with a table."""
import json
import os
import re
import signal
import subprocess
import time

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

WEIR = os.environ["WEIR_BINARY"]


def run(*arguments, code=0):
    done = subprocess.run([WEIR, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "d"
    text = run("demo", "--rate", "5000", "--duration", "4s", "--interval", "1s", "--dir", str(folder))
    return folder, text


def test_every_event_is_there_once_more_where_it_was_sent_twice(demo):
    folder, text = demo
    rows = DeltaTable(str(folder / "events")).to_pyarrow_table()
    assert rows.num_rows == 20_000
    distinct = pc.count_distinct(rows["eventId"]).as_py()
    assert distinct == 20_000 - int(re.search(r"\((\d+) of them copies\)", text)[1])
    assert set(rows["type"].unique().to_pylist()) == {"CO2", "TEMP"}
    assert "verified: the table holds what was sent" in text
    assert "First row visible in Delta" in text


def test_the_table_of_traffic_has_the_samples_layout_and_adds_up(demo):
    _, text = demo
    lines = text.splitlines()
    head = lines.index("                             Event Hub #    IncomingMessages       IncomingBytes"
                       "    OutgoingMessages       OutgoingBytes   ThrottledRequests")
    assert lines[head + 2].split()[:6] == ["MAX", "VALUE", "Event", "Hub", "1", "6000"]
    counted = 0
    for line in lines[head + 4:]:
        row = re.match(r" {4}\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} Event Hub 1 +(\d+) +(\d+) +(\d+) +(\d+) +0$", line)
        if row is None:
            break
        counted += int(row[1])
    assert counted == 20_000


def test_duckdb_reads_it(demo):
    folder, _ = demo
    events = DeltaTable(str(folder / "events")).to_pyarrow_dataset()  # noqa: F841 - read by name
    assert duckdb.sql("SELECT count(*), count(DISTINCT deviceId) FROM events").fetchone() == (20_000, 1000)


def test_a_second_run_goes_on_where_the_first_was_also_when_interrupted(tmp_path):
    folder = str(tmp_path / "d")
    run("demo", "--duration", "2s", "--interval", "1s", "--dir", folder)
    second = subprocess.Popen([WEIR, "demo", "--duration", "60s", "--interval", "1s", "--dir", folder],
                              stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    second.send_signal(signal.SIGINT)
    text, _ = second.communicate(timeout=60)
    assert second.returncode == 0, text
    report = json.loads(run("verify", f"{folder}/events", "--journal", f"{folder}/journal", "--output", "json"))
    assert report["journal"]["runs"] == 2
    assert report["journal"]["runsEnded"] == 2
    assert report["table"]["gaps"] == 0
    assert report["table"]["rows"] == report["journal"]["messagesAcknowledged"] > 2000


def replace(rows, column, value):
    at = rows.schema.get_field_index(column)
    return rows.set_column(at, rows.schema.field(at), pa.array([value] * rows.num_rows, rows.schema.field(at).type))


FAULTS = {
    "none": (lambda t: t, set()),
    "missing row": (lambda t: pa.concat_tables([t.slice(0, 9000), t.slice(9001)]), {"missing", "gaps", "missing fraction"}),
    "doubled row": (lambda t: pa.concat_tables([t, t.slice(77, 1)]), {"duplicates", "places"}),
    "foreign row": (lambda t: pa.concat_tables([t, replace(replace(t.slice(3, 1), "eventId",
                                                                   "b81d241f-5187-40b0-ab2a-940faf9757c0"),
                                                           "_offset", 10 ** 6)]), {"unexpected"}),
    "row that did not parse": (lambda t: pa.concat_tables([t, replace(replace(t.slice(3, 1), "eventId", None),
                                                                      "_offset", 10 ** 6)]), {"parsed"}),
    "other value": (lambda t: pa.concat_tables([t.slice(1), replace(t.slice(0, 1), "value", 12.5)]), {"content"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_verify_finds_a(demo, tmp_path, fault):
    folder, _ = demo
    change, failing = FAULTS[fault]
    table = str(tmp_path / "table")
    write_deltalake(table, change(DeltaTable(str(folder / "events")).to_pyarrow_table()))
    report = json.loads(run("verify", table, "--journal", str(folder / "journal"), "--output", "json",
                            code=1 if failing else 0))
    assert {a["name"] for a in report["assertions"] if a["outcome"] == "failed"} == failing
    assert report["passed"] == (not failing)


def test_simulate_to_files_and_standard_output(tmp_path):
    report = json.loads(run("simulate", "--sink", "files", str(tmp_path / "in"), "--rate", "0", "--count", "12000", "--seed", "7",
                            "--output", "json"))
    assert report["sent"] == report["acknowledged"] == 12_000
    lines = [line for name in sorted(os.listdir(tmp_path / "in")) for line in open(tmp_path / "in" / name)]
    assert len(lines) == 12_000
    assert 900 < sum(map(len, lines)) / len(lines) < 960
    again = run("simulate", "--sink", "stdout", "--rate", "0", "--count", "12000", "--seed", "7").splitlines()
    assert [json.loads(line)["eventId"] for line in lines] == [json.loads(line)["eventId"] for line in again]


@pytest.mark.parametrize("arguments", [["--sink", "files"], ["--sink", "paper"], ["--bootstrap", "localhost:1", "--rate", "-1"],
                                       ["--bootstrap", "localhost:1", "--duration", "5x"], ["--devices", "0", "--sink", "stdout"],
                                       ["--sink", "stdout", "--output", "json"], []])
def test_wrong_words_are_usage_errors(arguments):
    run("simulate", *arguments, code=2)
