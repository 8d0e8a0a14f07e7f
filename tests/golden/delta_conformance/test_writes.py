"""Tables written by our Delta sink, read by deltalake (delta-rs) and DuckDB; and tables that both write."""
import datetime
import decimal
import glob
import json
import os
import subprocess

import deltalake
import duckdb
import pyarrow as pa
import pyarrow.ipc
import pytest

from conformance import compare

UTC = datetime.timezone.utc


def write(table, rows, query, batch, *options):
    source = str(table) + ".arrow"
    with pa.ipc.new_file(source, rows.schema) as file:
        file.write_table(rows)
    run = subprocess.run([os.environ["DELTA_WRITE"], str(table), source, query, str(batch), *options],
                         capture_output=True, text=True)
    return run.stdout.strip() or run.stderr


def by_deltalake(table, version=None):
    return pa.table(deltalake.QueryBuilder().register("t", deltalake.DeltaTable(str(table), version=version))
                    .execute("SELECT * FROM t").read_all())


def by_us(table):
    out = str(table) + ".out"
    run = subprocess.run([os.environ["DELTA_DUMP"]], input=f"{table}\t{out}\n", capture_output=True, text=True)
    assert run.stdout.startswith("ok"), run.stdout
    with pa.ipc.open_file(out) as file:
        return file.read_all()


def by_duckdb(table):
    """DuckDB reads the Parquet files that the log names (its Delta extension is not installed)."""
    files = deltalake.DeltaTable(str(table)).file_uris()
    return pa.table(duckdb.sql(f"SELECT * FROM read_parquet({files!r}, hive_partitioning=false)").arrow())


def every_type(n, first=0):
    rows = []
    for i in range(first, first + n):
        none = i % 7 == 3
        rows.append({
            "b": None if none else i % 2 == 0,
            "i8": None if none else i % 100, "i16": None if none else -i, "i32": i * 1000, "i64": i * 10**12,
            "f32": None if none else i / 4, "f64": float("nan") if i % 5 == 4 else -i / 3,
            "d9": decimal.Decimal(i) / 100, "d18": decimal.Decimal(-i * 10**9) / 1000, "d38": decimal.Decimal(10**30 + i),
            "s": None if none else f"wert-{i:04d}-ä" + "x" * (i % 60), "bin": bytes([i % 256, 0, 255]),
            "date": datetime.date(2020, 1, 1) + datetime.timedelta(days=i),
            "ts": datetime.datetime(2024, 2, 29, 12, 0, 0, 123456, UTC) + datetime.timedelta(microseconds=i * 999),
            "st": None if none else {"x": i, "y": {"z": f"z{i}"}},
            "li": None if none else [i, None, i + 1], "ma": [(f"k{i}", i)],
        })
    schema = pa.schema([
        ("b", pa.bool_()), ("i8", pa.int8()), ("i16", pa.int16()), ("i32", pa.int32()), ("i64", pa.int64()),
        ("f32", pa.float32()), ("f64", pa.float64()), ("d9", pa.decimal128(9, 2)), ("d18", pa.decimal128(18, 3)),
        ("d38", pa.decimal128(38, 0)), ("s", pa.string()), ("bin", pa.binary()), ("date", pa.date32()),
        ("ts", pa.timestamp("us", "UTC")), ("st", pa.struct([("x", pa.int64()), ("y", pa.struct([("z", pa.string())]))])),
        ("li", pa.list_(pa.int64())), ("ma", pa.map_(pa.string(), pa.int64()))])
    return pa.Table.from_pylist(rows, schema=schema)


def same(got, expected):
    difference = compare(got, expected)
    assert difference is None, difference


@pytest.mark.parametrize("compression", ["snappy", "zstd", "none"])
def test_every_type_is_read_by_all(tmp_path, compression):
    table = tmp_path / "t"
    first, second = every_type(40), every_type(30, 40)
    assert write(table, first, "q", 0, f"compression={compression}") == "version 0"
    assert write(table, second, "q", 1, f"compression={compression}") == "version 1"
    both = pa.concat_tables([first, second])
    for reader in (by_deltalake, by_duckdb, by_us):
        same(reader(table), both)
    same(by_deltalake(table, version=0), first)
    assert write(table, second, "q", 1) == "done"


def test_nothing_but_nulls_and_no_rows(tmp_path):
    table = tmp_path / "t"
    rows = every_type(3)
    nulls = pa.table({f.name: pa.nulls(5, f.type) for f in rows.schema})
    assert write(table, nulls, "q", 0) == "version 0"
    assert write(table, rows.slice(0, 0), "q", 1) == "version 1"
    for reader in (by_deltalake, by_duckdb, by_us):
        same(reader(table), nulls)


def test_partitions_of_odd_values(tmp_path):
    table = tmp_path / "t"
    rows = pa.table({
        "p": ["a b", "a/b", "x=y", "50%", "ä", None, "a:b?", "a b"],
        "d": [datetime.date(2024, 1, 1)] * 7 + [None],
        "ts": pa.array([datetime.datetime(2024, 1, 1, 1, 2, 3, 4, UTC)] * 8, pa.timestamp("us", "UTC")),
        "n": list(range(8))})
    assert write(table, rows, "q", 0, "partitionBy=p,d,ts") == "version 0"
    for reader in (by_deltalake, by_us):
        same(reader(table), rows)


def test_checkpoint_is_read_by_deltalake(tmp_path):
    table = tmp_path / "t"
    expected = []
    for batch in range(5):
        rows = every_type(4, batch * 4)
        expected.append(rows)
        assert write(table, rows, "q", batch, *(["checkpoint=now"] if batch == 3 else [])) == f"version {batch}"
    log = table / "_delta_log"
    assert json.load(open(log / "_last_checkpoint"))["version"] == 3
    for version in range(3):
        os.remove(log / f"{version:020d}.json")
    for reader in (by_deltalake, by_duckdb, by_us):
        same(reader(table), pa.concat_tables(expected))
    assert write(table, every_type(4, 12), "q", 3) == "done"
    # deltalake checkpoints our table, and we read that.
    deltalake.DeltaTable(str(table)).create_checkpoint()
    os.remove(log / f"{3:020d}.json")
    same(by_us(table), pa.concat_tables(expected))


def test_complete_mode_and_merge_schema(tmp_path):
    table = tmp_path / "t"
    narrow = pa.table({"a": [1, 2]})
    wide = pa.table({"a": [3], "s": pa.array([{"x": 1}], pa.struct([("x", pa.int64())]))})
    wider = pa.table({"a": [4], "s": pa.array([{"x": 1, "y": "n"}], pa.struct([("x", pa.int64()), ("y", pa.string())]))})
    assert write(table, narrow, "q", 0) == "version 0"
    assert "mergeSchema" in write(table, wide, "q", 1)
    assert write(table, wide, "q", 1, "mergeSchema=true") == "version 1"
    assert write(table, wider, "q", 2, "mergeSchema=true") == "version 2"
    same(by_deltalake(table), by_us(table))
    assert by_us(table).num_rows == 4
    assert write(table, narrow, "q", 3, "outputMode=complete") == "version 3"
    assert by_deltalake(table).column("a").to_pylist() == [1, 2]
    assert len(deltalake.DeltaTable(str(table)).file_uris()) == 1


def test_both_write_one_table(tmp_path):
    table = tmp_path / "t"
    first, second, third = every_type(5).drop(["d38"]), every_type(5, 5).drop(["d38"]), every_type(5, 10).drop(["d38"])
    deltalake.write_deltalake(str(table), first)
    assert write(table, second, "q", 0) == "version 1"
    deltalake.write_deltalake(str(table), third, mode="append")
    assert write(table, second, "q", 0) == "done"
    for reader in (by_deltalake, by_us):
        same(reader(table), pa.concat_tables([first, second, third]))


def test_a_table_with_constraints_is_refused_untouched(tmp_path):
    table = tmp_path / "t"
    rows = pa.table({"a": [1, 2]})
    deltalake.write_deltalake(str(table), rows)
    deltalake.DeltaTable(str(table)).alter.add_constraint({"positive": "a > 0"})
    before = sorted(glob.glob(str(table / "**"), recursive=True))
    assert "checkConstraints" in write(table, rows, "q", 0)
    assert sorted(glob.glob(str(table / "**"), recursive=True)) == before


def test_statistics_are_bounds(tmp_path):
    table = tmp_path / "t"
    rows = every_type(50)
    write(table, rows, "q", 0)
    entry = [json.loads(line) for line in open(table / "_delta_log" / f"{0:020d}.json")]
    stats = json.loads([e["add"]["stats"] for e in entry if "add" in e][0])
    assert stats["numRecords"] == 50
    assert stats["nullCount"]["s"] == rows.column("s").null_count
    assert stats["minValues"]["i64"] == 0 and stats["maxValues"]["i64"] == 49 * 10**12
    assert stats["maxValues"]["ts"] > "2024-02-29T12:00:00.172" and stats["minValues"]["ts"] == "2024-02-29T12:00:00.123Z"
    assert "f64" not in stats["maxValues"]
    values = [v for v in rows.column("s").to_pylist() if v is not None]
    assert stats["minValues"]["s"] <= min(values) and stats["maxValues"]["s"] >= max(values)
    assert len(stats["maxValues"]["s"]) <= 33
    assert stats["nullCount"]["st"]["y"]["z"] == rows.column("st").null_count
    # delta-rs skips files by them and finds the row.
    found = pa.table(deltalake.QueryBuilder().register("t", deltalake.DeltaTable(str(table)))
                     .execute(f"SELECT i64 FROM t WHERE s = '{max(values)}'").read_all())
    assert found.num_rows == 1


def log_entries(table):
    for path in sorted(glob.glob(str(table / "_delta_log" / "*.json"))):
        yield [json.loads(line) for line in open(path)]


def operation(entry):
    return next(action["commitInfo"]["operation"] for action in entry if "commitInfo" in action)


@pytest.mark.parametrize("partition", [[], ["partitionBy=b"]])
def test_compacted_tables_are_read_by_all(tmp_path, partition):
    table, all_rows, versions = tmp_path / "t", [], {}
    for batch in range(14):  # each by a process of its own: a merge goes on where the last one was
        all_rows.append(every_type(10, batch * 10))
        said = write(table, all_rows[-1], "q", batch, "autoCompactMinFiles=4", *partition)
        versions[int(said.split()[1])] = batch
    merges = [entry for entry in log_entries(table) if operation(entry) == "OPTIMIZE"]
    assert merges
    for entry in merges:
        changes = [action[kind]["dataChange"] for action in entry for kind in ("add", "remove") if kind in action]
        assert changes and not any(changes)
    assert len(deltalake.DeltaTable(str(table)).file_uris()) <= 14
    expected = pa.concat_tables(all_rows)
    for reader in (by_deltalake, by_us) if partition else (by_deltalake, by_duckdb, by_us):
        same(reader(table), expected)
    for version, batch in versions.items():
        assert by_deltalake(table, version=version).num_rows == 10 * (batch + 1)
    statistics = [json.loads(action["add"]["stats"]) for action in merges[-1] if "add" in action]
    assert all(one["numRecords"] >= 20 for one in statistics)
    # A checkpoint has the tombstones too, and delta-rs goes on from it.
    assert write(table, every_type(1, 140), "q", 14, "autoCompact=false", "checkpoint=now").startswith("version")
    deltalake.DeltaTable(str(table)).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    for reader in (by_deltalake, by_us):
        same(reader(table), pa.concat_tables([expected, every_type(1, 140)]))


def test_rows_that_delta_rs_deletes_stay_deleted(tmp_path):
    table = tmp_path / "t"
    rows = [pa.table({"n": list(range(batch * 10, batch * 10 + 10))}) for batch in range(12)]
    for batch in range(6):
        write(table, rows[batch], "q", batch, "autoCompactMinFiles=5")
        if batch == 3:
            deltalake.DeltaTable(str(table)).delete("n % 10 = 7")  # rewrites every file: they are its own now
    for batch in range(6, 12):
        write(table, rows[batch], "q", batch, "autoCompactMinFiles=5")
    expected = [n for n in range(120) if n % 10 != 7 or n >= 40]
    for reader in (by_deltalake, by_us):
        assert sorted(reader(table).column("n").to_pylist()) == expected
