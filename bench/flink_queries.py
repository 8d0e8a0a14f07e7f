"""The streaming queries of bench/streaming.py in Flink SQL, in one JVM with two task slots: one JSON line a run.

  flink_queries.py JARS JOB     JARS: the class path, py4j among it; JOB as for streaming_queries.py

A run is bounded by what the topics hold when it starts. The events are decoded as the other engines decode them: six columns.
A line's `table` is the folder of the Parquet files that the run committed.
"""
import json
import os
import sys
import time

from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
from py4j.protocol import Py4JJavaError

jars, job = sys.argv[1].split(","), json.loads(sys.argv[2])

OPENED = ("lang", "lang.invoke", "lang.reflect", "math", "net", "nio", "text", "time", "util", "util.concurrent",
          "util.concurrent.atomic", "util.concurrent.locks")
port, token = launch_gateway(
    jarpath=next(jar for jar in jars if os.path.basename(jar).startswith("py4j")), classpath=":".join(jars), die_on_exit=True,
    enable_auth=True, redirect_stderr=sys.stderr,
    javaopts=["-Xmx4g", *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in OPENED)])
jvm = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token)).jvm
pid = jvm.java.lang.ProcessHandle.current().pid()

COLUMNS = "eventId STRING, `value` DOUBLE, deviceId STRING, deviceSequenceNumber BIGINT, `type` STRING, createdAt TIMESTAMP_LTZ(3)"
RESULTS = {
    "window": "window_start TIMESTAMP(3), deviceId STRING, events BIGINT, average DOUBLE",
    "dedup": COLUMNS,
    "join": "eventId STRING, deviceId STRING, createdAt TIMESTAMP_LTZ(3), `value` DOUBLE, rightId STRING, "
            "rightTime TIMESTAMP_LTZ(3), `type` STRING",
    "session": "window_start TIMESTAMP(3), window_end TIMESTAMP(3), deviceId STRING, `type` STRING, events BIGINT",
}
QUERIES = {
    "window": "SELECT window_start, deviceId, COUNT(*), AVG(`value`) FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(createdAt), "
              "INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, deviceId",
    "dedup": "SELECT eventId, `value`, deviceId, deviceSequenceNumber, `type`, createdAt FROM (SELECT *, ROW_NUMBER() OVER "
             "(PARTITION BY eventId ORDER BY createdAt ASC) AS place FROM events) WHERE place = 1",
    "join": "SELECT l.eventId, l.deviceId, l.createdAt, l.`value`, r.eventId, CAST(r.createdAt AS TIMESTAMP_LTZ(3)), r.`type` "
            "FROM events l, copies r WHERE l.eventId = r.eventId "
            "AND r.createdAt BETWEEN l.createdAt - INTERVAL '5' SECOND AND l.createdAt + INTERVAL '5' SECOND",
    "session": "SELECT window_start, window_end, deviceId, `type`, COUNT(*) FROM TABLE(SESSION(TABLE events PARTITION BY "
               "(deviceId, `type`), DESCRIPTOR(createdAt), INTERVAL '5' SECOND)) GROUP BY window_start, window_end, deviceId, `type`",
}


def cpu():
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tables(folder, name):
    configuration = jvm.org.apache.flink.configuration.Configuration()
    for key, value in {"parallelism.default": "2", "table.local-time-zone": "UTC", "pipeline.object-reuse": "true",
                       "execution.checkpointing.interval": "5 s", "execution.checkpointing.dir": f"file://{folder}/checkpoint"}.items():
        configuration.setString(key, value)
    settings = jvm.org.apache.flink.table.api.EnvironmentSettings
    environment = jvm.org.apache.flink.table.api.TableEnvironment.create(
        settings.newInstance().inStreamingMode().withConfiguration(configuration).build())
    for table, topic in (("events", job["topic"]), ("copies", job["copies"])):
        environment.executeSql(
            f"CREATE TABLE {table} ({COLUMNS}, WATERMARK FOR createdAt AS createdAt - INTERVAL '10' SECOND) "
            f"WITH ('connector'='kafka', 'topic'='{topic}', 'properties.bootstrap.servers'='{job['bootstrap']}', "
            "'scan.startup.mode'='earliest-offset', 'scan.bounded.mode'='latest-offset', 'format'='json', "
            "'json.timestamp-format.standard'='ISO-8601')")
    environment.executeSql(f"CREATE TABLE results ({RESULTS[name]}) WITH ('connector'='filesystem', 'path'='file://{folder}/table', "
                           "'format'='parquet', 'parquet.utc-timezone'='true', 'parquet.write.int64.timestamp'='true')")
    return environment


for name in job["queries"]:
    for run in range(job["runs"]):
        folder = os.path.join(job["folder"], "flink", name, str(run))
        before, started, error = cpu(), time.monotonic(), None
        try:
            result = tables(folder, name).executeSql("INSERT INTO results " + QUERIES[name])
            getattr(result, "await")()
        except Py4JJavaError as failure:
            error = str(failure.java_exception)[:500]
        line = {"query": name, "run": run, "start": before if run == 0 else 0, "cpu": cpu() - before,
                "wall": time.monotonic() - started, "error": error, "table": folder + "/table"}
        with open(f"/proc/{pid}/status") as f:
            line["peak"] = next(int(text.split()[1]) / 1024 for text in f if text.startswith("VmHWM"))
        print(json.dumps(line), flush=True)
