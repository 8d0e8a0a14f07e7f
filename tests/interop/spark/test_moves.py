"""Streaming queries without state that move between Spark and weir: one checkpoint and one target, continued by turns.

Every run is a query of its own engine, begun with the checkpoint as the other has left it. Texts of SQL only: functions
of pyspark belong to the classic session here.
"""
import contextlib
import glob
import itertools
import json
import os
import time

import pytest
from weir_programs import WEIR, free_port, running, weir_hub

TURNS = pytest.mark.parametrize("turns", [["spark", "weir", "spark"], ["weir", "spark", "weir"]], ids=["begun by Spark", "begun by weir"])
CRASHES = pytest.mark.parametrize("turns,form", [(["spark", "weir", "spark"], "delta"), (["weir", "spark", "weir"], "delta"),
                                                 (["spark", "weir", "spark"], "json")], ids=["Spark, delta", "weir, delta", "Spark, json"])
BEGUN_BY_SPARK = pytest.mark.parametrize("turns", [["spark", "weir", "spark"]], ids=["begun by Spark"])
ROWS = "id BIGINT, who STRING"
COMPACT_EVERY = 3
SETTINGS = {"spark.sql.streaming.fileSource.log.compactInterval": COMPACT_EVERY, "spark.sql.streaming.fileSink.log.compactInterval": COMPACT_EVERY,
            "spark.sql.streaming.fileSource.log.cleanupDelay": 0, "spark.sql.streaming.fileSink.log.cleanupDelay": 0}


@pytest.fixture(scope="module")
def engines(spark, tmp_path_factory):
    from pyspark.sql.connect.session import SparkSession
    folder = tmp_path_factory.mktemp("serve")
    port = free_port()
    with running([WEIR, "serve", "--listen", f"127.0.0.1:{port}", "--warehouse", str(folder / "warehouse")], port, str(folder / "log")):
        both = {"spark": spark, "weir": SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()}
        for session in both.values():
            session.conf.set("spark.sql.session.timeZone", "UTC")
            for key, value in SETTINGS.items():
                session.conf.set(key, value)
        yield both
        both["weir"].stop()


class Input:
    """A folder of files of JSON lines; every row has an id of its own."""
    def __init__(self, folder, rows=5):
        self.folder, self.rows, self.files = folder, rows, 0
        folder.mkdir()

    def put(self, files=1):
        for _ in range(files):
            ids = range(self.files * self.rows, (self.files + 1) * self.rows)
            path = self.folder / f"{self.files:04} part.json"
            path.with_suffix(".tmp").write_text("".join(json.dumps({"id": i, "who": f"w{i % 3}"}) + "\n" for i in ids))
            self.files += 1
            stamp = 1_700_000_000 + self.files  # the order in which the files count
            os.utime(path.with_suffix(".tmp"), (stamp, stamp))
            path.with_suffix(".tmp").rename(path)

    def stream(self, session, **options):
        return session.readStream.schema(ROWS).options(maxFilesPerTrigger=1, pathGlobFilter="*.json", **options).json(str(self.folder))

    def ids(self):
        return list(range(self.files * self.rows))


def into(df, checkpoint, path, form="delta", **options):
    return df.writeStream.format(form).options(checkpointLocation=str(checkpoint), path=str(path), **options)


def finished(writer):
    """The query after all that there is; its batches' numbers."""
    query = writer.trigger(availableNow=True).start()
    assert query.awaitTermination(300), "still running"
    return query, [p["batchId"] for p in query.recentProgress]


def one_batch(writer):
    query = writer.trigger(processingTime="1 hour").start()
    deadline = time.monotonic() + 300
    while query.isActive and not query.recentProgress and time.monotonic() < deadline:
        time.sleep(0.01)
    batches = [p["batchId"] for p in query.recentProgress]
    query.stop()
    query.awaitTermination()
    return batches


def ids_of(session, path, form="delta"):
    return sorted(r.id for r in session.read.format(form).load(str(path)).select("id").collect())


def same_for_both(engines, path, expected, form="delta"):
    for name, session in engines.items():
        assert ids_of(session, path, form) == expected, name


def query_id(checkpoint):
    return json.loads((checkpoint / "metadata").read_text())["id"]


def batches_of(checkpoint, log="commits"):
    return sorted(int(os.path.basename(f)) for f in glob.glob(f"{checkpoint}/{log}/*"))


def forget_commit(checkpoint):
    """As if the engine had died before it wrote that the newest batch is done."""
    newest = batches_of(checkpoint)[-1]
    (checkpoint / f"commits/{newest}").unlink()
    with contextlib.suppress(FileNotFoundError):
        (checkpoint / f"commits/.{newest}.crc").unlink()
    return newest


def recorded_batches(table, query):
    """The batches that the table's log names, in its order, those of another query refused."""
    found = []
    for entry in sorted(glob.glob(f"{table}/_delta_log/*.json")):
        for line in open(entry):
            action = json.loads(line).get("txn")
            if action:
                assert action["appId"] == query
                found.append(action["version"])
    return found


@TURNS
def test_files_into_a_table(engines, tmp_path, turns):
    data, ck, table = Input(tmp_path / "in"), tmp_path / "ck", tmp_path / "table"
    numbers, identity = [], set()
    for turn in turns:
        data.put(4)
        query, batches = finished(into(data.stream(engines[turn]), ck, table))
        numbers += batches
        identity.add(query.id)
        same_for_both(engines, table, data.ids())
    assert numbers == list(range(12)) == batches_of(ck) == recorded_batches(table, query_id(ck))
    assert identity == {query_id(ck)}
    compacted = [f for f in os.listdir(ck / "sources/0") if f.endswith(".compact")]
    assert "11.compact" in compacted


@BEGUN_BY_SPARK
def test_batch_by_batch(engines, tmp_path, turns):
    """Another engine for every batch, with a filter that leaves some of them without rows."""
    data, ck, table = Input(tmp_path / "in", rows=2), tmp_path / "ck", tmp_path / "table"
    data.put(6)
    for number, turn in zip(range(6), itertools.cycle(turns[:2])):
        assert one_batch(into(data.stream(engines[turn]).where("id % 8 < 4"), ck, table)) == [number]
    same_for_both(engines, table, [i for i in data.ids() if i % 8 < 4])


@TURNS
def test_files_into_files(engines, tmp_path, turns):
    """The file sink's log, compacted too: each engine goes on with the other's, and reads it as a batch and as a stream."""
    data, ck, out = Input(tmp_path / "in"), tmp_path / "ck", tmp_path / "out"
    for turn in turns:
        data.put(3)
        finished(into(data.stream(engines[turn]), ck, out, "json"))
        (out / "left-over.json").write_text('{"id": -1}\n')  # no entry names it
        for name, session in engines.items():
            assert sorted(r.id for r in session.read.schema(ROWS).json(str(out)).collect()) == data.ids(), name
    assert (out / "_spark_metadata/8.compact").exists()
    for name, session in engines.items():
        finished(into(session.readStream.schema(ROWS).json(str(out)), tmp_path / f"ck-{name}", tmp_path / f"copy-{name}"))
        same_for_both(engines, tmp_path / f"copy-{name}", data.ids())


@BEGUN_BY_SPARK
def test_partitioned_files(engines, tmp_path, turns):
    data, ck, out = Input(tmp_path / "in", rows=6), tmp_path / "ck", tmp_path / "out"
    for turn in turns:
        data.put(1)
        finished(into(data.stream(engines[turn]), ck, out, "parquet").partitionBy("who"))
    for name, session in engines.items():
        rows = session.read.parquet(str(out)).collect()
        assert sorted((r.id, r.who) for r in rows) == [(i, f"w{i % 3}") for i in data.ids()], name


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with weir_hub(str(tmp_path_factory.mktemp("hub")), *(w for t in ("begun-by-spark", "begun-by-weir") for w in ("--topic", f"{t}:3"))) as bootstrap:
        yield bootstrap


def send(bootstrap, topic, ids):
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for i in ids:
        producer.produce(topic, key=str(i), value=json.dumps({"id": i}), partition=i % 3)
    assert producer.flush(30) == 0


@TURNS
def test_kafka_into_a_table(engines, hub, tmp_path, turns):
    topic, ck, table = f"begun-by-{turns[0]}", tmp_path / "ck", tmp_path / "table"
    sent = 0
    for turn in turns:
        send(hub, topic, range(sent, sent + 30))
        sent += 30
        df = (engines[turn].readStream.format("kafka").option("kafka.bootstrap.servers", hub).option("subscribe", topic)
              .option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", 12).load()
              .selectExpr("CAST(key AS STRING) AS key", "from_json(CAST(value AS STRING), 'id BIGINT').id AS id", "partition", "offset"))
        finished(into(df, ck, table))
        same_for_both(engines, table, list(range(sent)))
    rows = engines["spark"].read.format("delta").load(str(table)).collect()
    assert sorted((r.partition, r.offset) for r in rows) == [(p, o) for p in range(3) for o in range(30)]
    assert all(r.key == str(r.id) and r.partition == r.id % 3 for r in rows)


def write_table(session, path, first, count, files=1):
    session.range(first, first + count, 1, files).write.format("delta").mode("append").save(str(path))


@TURNS
def test_a_table_as_the_source(engines, tmp_path, turns):
    """Stopped within the first state, at its end, and within a version of several files."""
    source, ck, table = tmp_path / "from", tmp_path / "ck", tmp_path / "to"
    write_table(engines["spark"], source, 0, 6, 3)
    write_table(engines["weir"], source, 6, 2)
    batch = itertools.count()

    def go_on(turn):
        df = engines[turn].readStream.format("delta").option("maxFilesPerTrigger", 1).load(str(source))
        assert one_batch(into(df, ck, table)) == [next(batch)]

    for turn in (turns[0], turns[1], turns[0]):  # within the first state
        go_on(turn)
    write_table(engines["spark"], source, 8, 6, 3)
    write_table(engines["weir"], source, 14, 1)
    for turn in (turns[1], turns[0], turns[1], turns[0]):  # its last file, then files of the next version
        go_on(turn)
    for turn in turns[1:]:
        finished(into(engines[turn].readStream.format("delta").load(str(source)), ck, table))
        same_for_both(engines, table, ids_of(engines["weir"], source))
        write_table(engines[turn], source, 100, 2)


@TURNS
def test_a_table_from_a_version(engines, tmp_path, turns):
    source, ck, table = tmp_path / "from", tmp_path / "ck", tmp_path / "to"
    write_table(engines["spark"], source, 0, 5)
    write_table(engines["spark"], source, 5, 4, 4)
    write_table(engines["spark"], source, 9, 2)

    def stream(turn, **options):
        return into(engines[turn].readStream.format("delta").options(startingVersion=1, **options).load(str(source)), ck, table)

    one_batch(stream(turns[0], maxFilesPerTrigger=2))  # half of version 1
    for number, turn in enumerate(turns[1:]):
        finished(stream(turn))
        same_for_both(engines, table, list(range(5, 11 + number)))
        write_table(engines[turn], source, 11 + number, 1)


@CRASHES
def test_a_batch_that_failed(engines, tmp_path, turns, form):
    """Planned, and not in the sink: the other engine runs the same batch, not what has come since."""
    data, ck, out = Input(tmp_path / "in"), tmp_path / "ck", tmp_path / "out"
    data.put(2)
    one_batch(into(data.stream(engines[turns[0]]), ck, out, form))
    for turn, other in (turns[:2], turns[1:]):
        first = data.ids()[-5]
        before = batches_of(ck)[-1]
        failing = data.stream(engines[turn]).where(f"assert_true(id <> {first}) IS NULL")
        with pytest.raises(Exception, match="(?i)assert|is not true"):
            finished(into(failing, ck, out, form))
        assert (batches_of(ck)[-1], batches_of(ck, "offsets")[-1]) == (before, before + 1)
        data.put(1)
        assert one_batch(into(data.stream(engines[other]), ck, out, form)) == [before + 1]
        for name, session in engines.items():
            rows = session.read.schema(ROWS).json(str(out)) if form == "json" else session.read.format("delta").load(str(out))
            assert sorted(r.id for r in rows.collect()) == data.ids()[:-5], name
        finished(into(data.stream(engines[other]), ck, out, form))
        data.put(1)


@CRASHES
def test_a_batch_without_its_commit(engines, tmp_path, turns, form):
    """In the sink, and not in the checkpoint: the other engine does not write it a second time."""
    data, ck, out = Input(tmp_path / "in"), tmp_path / "ck", tmp_path / "out"
    for turn, other in (turns[:2], turns[1:]):
        data.put(2)
        finished(into(data.stream(engines[turn]), ck, out, form))
        newest = forget_commit(ck)
        _, batches = finished(into(data.stream(engines[other]), ck, out, form))
        assert batches == [newest] and batches_of(ck)[-1] == newest
        for name, session in engines.items():
            rows = session.read.schema(ROWS).json(str(out)) if form == "json" else session.read.format("delta").load(str(out))
            assert sorted(r.id for r in rows.collect()) == data.ids(), name
    if form == "delta":
        assert recorded_batches(out, query_id(ck)) == list(range(4))


def counted(data, session, **options):
    return data.stream(session, **options).groupBy("who").count()


def test_state_stays_where_it_was_made(engines, tmp_path):
    """weir refuses Spark's state, and leaves checkpoint and table as they are: Spark goes on with them."""
    data, ck, table = Input(tmp_path / "in"), tmp_path / "ck", tmp_path / "table"
    data.put(2)

    def run(name, df):
        finished(into(df(data, engines[name]), ck, table).outputMode("complete"))

    def table_rows():
        return sorted(tuple(r) for r in engines["spark"].read.format("delta").load(str(table)).collect())

    run("spark", counted)
    before, last = table_rows(), batches_of(ck)[-1]
    data.put(1)
    with pytest.raises(Exception, match="UNSUPPORTED_FEATURE.*state of a query that ran on Spark"):
        run("weir", counted)
    with pytest.raises(Exception, match="UNSUPPORTED_FEATURE.*state of a query that ran on Spark"):
        finished(into(data.stream(engines["weir"]).selectExpr("who", "id AS count"), ck, table))
    assert (table_rows(), batches_of(ck)[-1], batches_of(ck, "offsets")[-1]) == (before, last, last)
    run("spark", counted)
    assert sum(row[1] for row in table_rows()) == len(data.ids())
