"""The notebooks of examples/, cell by cell, through the unmodified client; what they give is checked here."""
import contextlib
import datetime
import io
import json
import os
import pathlib
import subprocess

from conftest import WEIR

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "examples"


def run(name, server, folder, monkeypatch, **environment):
    """All code cells; what they leave behind."""
    for key, value in {"SPARK_REMOTE": server.address, "EXAMPLE_FOLDER": str(folder), **environment}.items():
        monkeypatch.setenv(key, value)
    from pyspark.sql.connect.session import SparkSession
    SparkSession._default_session = None
    SparkSession._active_session.session = None
    left = {}
    notebook = json.loads((EXAMPLES / f"{name}.ipynb").read_text())
    try:
        for number, cell in enumerate(notebook["cells"]):
            if cell["cell_type"] != "code":
                continue
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile("".join(cell["source"]), f"{name}, cell {number}", "exec"), left)
            left.setdefault("printed", []).append(out.getvalue())
    finally:
        if "spark" in left:
            for query in left["spark"].streams.active:
                query.stop()
            left["spark"].stop()
    return left


def test_streaming_basics(server, tmp_path, monkeypatch):
    left = run("streaming-basics", server, tmp_path, monkeypatch)
    assert left["streamed_rows"] == left["batch_rows"] == [20, 25, 30]
    assert left["failure"] is None
    assert "parquet" in left["refusal"].lower() and "complete" in left["refusal"].lower()
    assert left["before"] == {(0, "valve"): 65 / 3, (0, "pump"): 20, (10, "pump"): 5}
    assert left["after"] == {(0, "valve"): 67 / 4, (0, "pump"): 20, (10, "pump"): 5}
    assert left["strongest"] == {"valve": 30, "pump": 20}
    assert left["active_names"] == ["by_type", "counts_of_all", "strong"]
    assert all(left["refusals"].values()) and left["no_count"]
    supported = {kind for kind, why in left["joins"].items() if why is None}
    assert supported == {
        ("stream", "static", "inner"), ("stream", "static", "left"), ("stream", "static", "left_semi"),
        ("static", "stream", "inner"), ("static", "stream", "right"), ("stream", "stream without watermark", "inner"),
        *(("stream", "stream with watermarks", kind) for kind in ("inner", "left", "right", "full", "left_semi"))}
    assert left["rows_by_trigger"] == {"now": 6, "once": 6, "often": 6}


def test_file_stream_counts(server, tmp_path, monkeypatch):
    left = run("file-stream-counts", server, tmp_path, monkeypatch)
    assert left["batches"] == [100] * 50 and left["same"] is True


@contextlib.contextmanager
def event_hub(folder):
    hub = subprocess.Popen([WEIR, "hub", "--dir", str(folder), "--listen", "127.0.0.1:0", "--topic", "streaming-data:8", "--output", "json"],
                           stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        yield json.loads(hub.stdout.readline())["listening"][0]
    finally:
        hub.terminate()
        assert hub.wait(20) == 0


def send(server, address, folder, events):
    """Through a stream into the hub."""
    from pyspark.sql.connect.session import SparkSession
    spark = SparkSession.builder.remote(server.address).create()
    (folder / "events").mkdir(parents=True)
    (folder / "events/part-0.txt").write_text("".join(json.dumps(e) + "\n" for e in events))
    query = (spark.readStream.text(str(folder / "events")).selectExpr("get_json_object(value, '$.deviceId') AS key", "value").writeStream
             .format("kafka").option("kafka.bootstrap.servers", address).option("topic", "streaming-data")
             .option("checkpointLocation", str(folder / "sent")).trigger(availableNow=True).start())
    query.awaitTermination()
    spark.stop()


def reading(i):
    moment = datetime.datetime(2024, 3, 10, 9, 0) + datetime.timedelta(seconds=2 * i)
    return {"deviceId": f"device-{i % 3}", "temperature": 95.0 if i % 100 == 7 else 20.0 + i % 5, "humidity": 50.0, "timestamp": moment.isoformat() + "Z",
            **({"pressure": 1000.5} if i % 2 else {})}


def test_event_hubs_to_delta(server, tmp_path, monkeypatch):
    with event_hub(tmp_path / "hub") as address:
        send(server, address, tmp_path, [reading(i) for i in range(12_000)])
        key = f"Endpoint=sb://{address}/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=none;EntityPath=streaming-data;UseDevelopmentEmulator=true"
        left = run("event-hubs-to-delta", server, tmp_path / "work", monkeypatch, EVENTHUBS_CONNECTION_STRING=key)
    assert left["last_progress"]["sources"] and left["recent_progress"] and left["ended"] is False
    assert sorted(left["status"]) == ["isDataAvailable", "isTriggerActive", "message"]
    assert left["history"] is not None and left["query"].id in left["second_start"]
    from pyspark.sql.connect.session import SparkSession
    spark = SparkSession.builder.remote(server.address).create()
    read = {name: spark.read.format("delta").load(str(tmp_path / "work" / name)) for name in ("sensor_data", "aggregated_metrics", "anomalies")}
    assert read["sensor_data"].count() == 12_000 and read["sensor_data"].where("pressure IS NULL").count() == 6_000
    found = sorted((r.window_start.hour * 60 + r.window_start.minute - 540, r.deviceId, r.event_count, r.min_temperature, r.avg_humidity)
                   for r in read["aggregated_metrics"].collect())
    # All windows that end ten minutes before the last event.
    assert found == [(minute, f"device-{d}", 50, 20.0, 50.0) for minute in range(0, 385, 5) for d in range(3)]
    assert sorted(r.temperature for r in read["anomalies"].collect()) == [95.0] * 120
    spark.stop()
