#!/usr/bin/env python3
"""Records what real Spark answers for the cases of cases/*.py, into recorded.json.

To record again (Java 17; nothing from the network):

    ~/.cache/weir/deps/venv-connect/bin/python tests/interop/connect/record_cases.py [--only RE]

starts Spark's own Connect server out of venv-spark (with Delta from jars/spark), and drives it by the same client that drives
weir. With --only, the other cases keep what was recorded before.
Delta's parser loses the parameters of spark.sql; those cases are recorded after the others, without it:

    … record_cases.py --without-delta --only 'sql.*param'
"""
import argparse
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import warnings

import recording

DEPS = pathlib.Path(os.environ.get("WEIR_DEPS_DIR") or pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "weir/deps")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--without-delta", action="store_true")
    parser.add_argument("--remote", help="an address where Spark serves already")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    cases = recording.load()
    if options.remote:
        return record(options, cases, options.remote)
    spark_home = next((DEPS / "venv-spark/lib").glob("python3*/site-packages/pyspark"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="weir-record-") as folder:
        settings = {"spark.connect.grpc.binding.port": port, "spark.connect.grpc.binding.address": "127.0.0.1", "spark.ui.enabled": "false",
                    "spark.sql.warehouse.dir": f"{folder}/warehouse", "spark.sql.shuffle.partitions": "2", "spark.sql.session.timeZone": "UTC"}
        if not options.without_delta:
            settings |= {"spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
                         "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog"}
        jars = ",".join(str(jar) for jar in sorted((DEPS / "jars/spark").glob("*.jar")) if "delta" in jar.name or "unitycatalog" in jar.name)
        server = subprocess.Popen(
            [str(spark_home / "bin/spark-submit"), "--master", "local[2]", "--driver-memory", "1g", "--jars", jars]
            + [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
            + ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"],
            env={**os.environ, "SPARK_HOME": str(spark_home), "SPARK_LOCAL_IP": "127.0.0.1"}, cwd=folder,
            stdout=open(f"{folder}/log", "w"), stderr=subprocess.STDOUT)
        try:
            for _ in range(240):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.5)
                    if server.poll() is not None:
                        sys.exit(pathlib.Path(folder, "log").read_text()[-3000:])
            return record(options, cases, f"sc://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait(60)


def record(options, cases, address):
    from pyspark.sql.connect.session import SparkSession
    before = json.loads(recording.RECORDED.read_text())["cases"] if options.only and recording.RECORDED.exists() else {}
    found = {name: before[name] for name in cases if name in before}
    version = None
    for name, function in cases.items():
        if not re.search(options.only, name):
            continue
        spark = SparkSession.builder.remote(address).create()
        version = version or spark.version
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        with tempfile.TemporaryDirectory(prefix="weir-case-") as tmp:
            try:
                found[name] = recording.outcome(function, spark, pathlib.Path(tmp))
            except Exception as error:
                print(f"{name}: {type(error).__name__}: {error}"[:300], file=sys.stderr)
        spark.stop()
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(found[name], sort_keys=True)}" for name in sorted(found))
    recording.RECORDED.write_text(f'{{"spark": {json.dumps(version)}, "cases": {{\n{lines}\n}}}}\n')
    print(f"{len(found)} cases of Spark {version}")


if __name__ == "__main__":
    main()
