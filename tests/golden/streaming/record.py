#!/usr/bin/env python3
"""Fills in the `rows` of the cases of a file with the answers of real Spark: record.py FILE [NAME]

Runs with the Python of a folder that has pyspark (classic). Cases are as src/streaming/case_file.h says, and of the kind
that recorded.cases has: `trigger availableNow`, `limit 1`, all `add` steps before the checks,
numbers and texts alone in the rows. Each added list is a file of
its stream; a batch reads one file of every stream that has one left. Spark's version goes into the file's first line.
"""
import ast
import json
import os
import re
import shutil
import sys
import tempfile

from pyspark.sql import SparkSession


def text(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if hasattr(value, "timestamp"):
        return str(int(value.timestamp()))
    if isinstance(value, tuple):
        return "{" + ", ".join(text(one) for one in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(text(one) for one in value) + "]"
    return str(value)


def define(spark, name, words):
    """A view as the cases write it."""
    first, _, rest = words.partition(" ")
    if first == "watermark":
        of, column, delay = rest.split(" ", 2)
        frame = spark.table(of).withWatermark(column, delay)
    elif first in ("deduplicate", "deduplicate_within"):
        of, _, columns = rest.partition(" ")
        keys = [one.strip() for one in columns.strip("() ").split(",") if one.strip()] or None
        frame = spark.table(of)
        frame = frame.dropDuplicates(keys) if first == "deduplicate" else frame.dropDuplicatesWithinWatermark(keys)
    else:
        frame = spark.sql(words)
    if name:
        frame.createOrReplaceTempView(name)
    return frame


def run_case(spark, steps, folder):
    schemas, files, mode, query = {}, {}, "append", None
    for verb, rest in steps:
        if verb == "stream":
            name, columns = re.match(r"(\w+)\((.*)\)$", rest).groups()
            schemas[name] = columns
            files[name] = 0
            os.makedirs(os.path.join(folder, name))
        elif verb == "add":
            name, rows = rest.split(" ", 1)
            names = [column.split()[0] for column in schemas[name].split(",")]
            path = os.path.join(folder, name, f"{files[name]:04}.json")
            with open(path, "w") as out:
                for row in ast.literal_eval(f"[{rows}]".replace("null", "None")):
                    out.write(json.dumps(dict(zip(names, row))) + "\n")
            os.utime(path, (1_600_000_000 + files[name],) * 2)
            files[name] += 1
    for verb, rest in steps:
        if verb == "stream":
            name = rest.split("(")[0]
            (spark.readStream.schema(schemas[name]).option("maxFilesPerTrigger", 1).json(os.path.join(folder, name))
             .createOrReplaceTempView(name))
        elif verb == "view":
            name, words = rest.split(" = ", 1)
            define(spark, name, words)
        elif verb == "mode":
            mode = rest
        elif verb == "query":
            query = define(spark, None, rest)
    batches = []

    def take(rows, batch):
        batches.append((batch, sorted("(" + ", ".join(text(value) for value in row) + ")" for row in rows.collect())))

    started = (query.writeStream.outputMode(mode).foreachBatch(take).option("checkpointLocation", os.path.join(folder, "c"))
               .trigger(availableNow=True).start())
    started.awaitTermination()
    return [f"rows {batch} {', '.join(rows)}" for batch, rows in batches] + [f"batch {batches[-1][0]}"]


def main():
    path, only = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "1")
             .config("spark.sql.session.timeZone", "UTC").getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    head, *cases = open(path).read().split("\n== ")
    out = [re.sub(r"Recorded from Spark \S+:", f"Recorded from Spark {spark.version}:", head)]
    for case in cases:
        lines = case.rstrip().split("\n")
        if only in lines[0]:
            folder = tempfile.mkdtemp()
            kept = [line for line in lines[1:] if not line.startswith(("rows ", "fails ", "batch "))]
            try:
                answers = run_case(spark, [tuple(line.split(" ", 1)) for line in kept if line and not line.startswith("#")], folder)
            except Exception as failed:  # what a user sees
                name = getattr(failed, "getCondition", lambda: None)() or type(failed).__name__
                answers = [f"fails {name}: {str(failed).splitlines()[0][:200]}"]
            shutil.rmtree(folder, ignore_errors=True)
            lines = [lines[0]] + kept + answers
            print(lines[0], len(answers), flush=True)
        out.append("\n".join(lines) + "\n")
        done = len(out)
        with open(path, "w") as file:
            file.write("\n== ".join(out + [one.rstrip() + "\n" for one in cases[done - 1:]]))
    with open(path, "w") as file:
        file.write("\n== ".join(out))


if __name__ == "__main__":
    main()
