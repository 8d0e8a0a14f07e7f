"""`weir state` over the checkpoints of queries that PySpark's client ran, and a Spark checkpoint that it refuses."""
import json
import os
import subprocess

import pytest
from cases.streaming import signals
from test_state_tables import joined, ran

WEIR = os.environ["WEIR_BINARY"]


def state(*words, code=0):
    done = subprocess.run([WEIR, "state", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture()
def counts(spark, tmp_path):
    return ran(spark, tmp_path, signals(spark, tmp_path).groupBy("device").count())


def test_list(counts):
    (store,) = objects(state("list", counts, "--format", "json"))
    assert store.pop("bytes") > 0
    assert store == {"operatorId": 0, "operatorName": "stateStoreSave", "stateStoreName": "default", "provider": "memory", "numPartitions": 2,
                     "minBatchId": 0, "maxBatchId": 2, "rows": 3, "key": "device STRING", "value": "count_0_count BIGINT"}
    assert state("list", counts).splitlines()[1].startswith("|operatorId|operatorName  |stateStoreName|provider|numPartitions|")
    assert state("list", counts, "--format", "csv").startswith("operatorId,operatorName,")


def test_show(counts):
    rows = objects(state("show", counts, "--format", "json"))
    assert sorted((row["key"]["device"], row["value"]["count"]) for row in rows) == [("a", 3), ("b", 2), ("c", 2)]
    assert all(row["partition_id"] in (0, 1) for row in rows)
    assert len(objects(state("show", counts, "--format", "json", "--limit", 2))) == 2
    before = objects(state("show", counts, "--batch", 0, "--format", "json"))
    assert sorted((row["key"]["device"], row["value"]["count"]) for row in before) == [("a", 2), ("b", 1)]
    assert state("show", counts, "--format", "csv", "--limit", 0) == "key,value,partition_id\n"
    assert sorted(line.split("|")[1:3] for line in state("show", counts).splitlines()[3:-1]) == [["{a}", "{3}  "], ["{b}", "{2}  "], ["{c}", "{2}  "]]


def test_changes(counts):
    rows = objects(state("show", counts, "--changes", "1:2", "--format", "json"))
    assert sorted((r["batch_id"], r["change_type"], r["key"]["device"], r["value"]["count"]) for r in rows) == [
        (1, "update", "b", 2), (1, "update", "c", 1), (2, "update", "a", 3), (2, "update", "c", 2)]
    assert objects(state("show", counts, "--changes", "2", "--format", "json")) == [r for r in rows if r["batch_id"] == 2]


def test_sides_of_a_join(spark, tmp_path):
    checkpoint = joined(spark, tmp_path)
    assert [(s["stateStoreName"], s["operatorName"]) for s in objects(state("list", checkpoint, "--format", "json"))] == [
        ("left", "symmetricHashJoin"), ("right", "symmetricHashJoin")]
    (first, *_) = objects(state("show", checkpoint, "--join-side", "left", "--batch", 0, "--format", "json"))
    assert set(first["value"]) == {"ad", "shown", "shown_at"} and set(first["key"]) == {"field0"}
    assert "Failed to read the state schema" in state("show", checkpoint, code=2)


def test_verify(counts):
    rows = objects(state("verify", counts, "--format", "json"))
    assert [(r["batchId"], r["rows"], r["checked"], r["result"]) for r in rows] == [
        (0, 2, "files", "ok"), (1, 3, "files", "ok"), (2, 3, "contents", "ok")]
    folder = os.path.join(counts, "state/0/default")
    changelog = next(os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("1-"))
    with open(changelog, "r+b") as file:
        file.seek(os.path.getsize(changelog) // 2)
        file.write(b"\xff\xff\xff\xff")
    damaged = objects(state("verify", counts, "--format", "json", code=6))
    assert [r["result"] == "ok" for r in damaged] == [True, True, False]
    assert [r["result"] == "ok" for r in objects(state("verify", counts, "--batch", 0, "--format", "json"))] == [True]
    os.remove(changelog)
    missing = objects(state("verify", counts, "--format", "json", code=6))
    assert [r["result"].endswith(os.path.basename(changelog) + " is not there") for r in missing] == [False, True, True]


def test_what_is_no_state(counts, tmp_path):
    assert "there is no folder" in state("list", tmp_path / "nowhere", code=3)
    assert "no such state" in state("verify", counts, "--operator", 7, code=3)
    sparks = tmp_path / "spark/state/0/_metadata"
    sparks.mkdir(parents=True)
    (sparks / "metadata").write_text("v1\n{}")
    for verb in ("list", "show", "verify"):
        assert "has state that Spark wrote" in state(verb, tmp_path / "spark", code=7)


def test_help():
    text = state("--help") + state("show", "--help")
    for word in ("weir state list /lake", "--join-side", "--changes", "Exit code 6"):
        assert word in text
