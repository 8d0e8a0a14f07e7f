"""Every Delta table of delta-data.tar.xz either gives the expected rows or a clear error that names why.

Expected rows: the Parquet files that were published with a table, else what deltalake (delta-rs) reads from it now.
outcomes.tsv says what is expected of each table, and only grows better: `read` with its oracle, or `refused` with a
part of the error's text. Record anew with --record (needs a look at the difference before it is committed).
"""
import argparse
import collections
import datetime
import decimal
import glob
import math
import os
import subprocess
import sys
import tarfile

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "..", "..", "..", "shared", "data")
# Oracles that are wrong about a table, and why.
UNFIT = {
    # A partition value without a zone, written and read back by a Spark in Los Angeles; without the zone it is UTC.
    ("kernel-rs/golden_data/data-reader-partition-values/delta", "published"),
    ("delta-golden/golden/data-reader-partition-values", "published"),
    # INT96 in the year 9999 overflows in delta-rs.
    ("delta-rs/data/table_with_edge_timestamps", "deltalake"),
    # Another generation of the table of that name was published with rows.
    ("delta-golden/golden/table-with-columnmapping-mode-id", "published"),
    ("delta-golden/golden/table-with-columnmapping-mode-name", "published"),
}
OUTCOMES = os.path.join(HERE, "outcomes.tsv")


def normal(value):
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        return 0.0 if value == 0 else value
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value.normalize())
    if isinstance(value, dict):
        return tuple(sorted((k, normal(v)) for k, v in value.items()))
    if isinstance(value, list):
        return tuple(normal(v) for v in value)
    return value


def rows_of(table):
    """A multiset of rows; nanoseconds are cut as Spark cuts them."""
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        columns[name] = column.to_pylist()
    names = sorted(columns)
    return names, collections.Counter(
        tuple(repr(normal(columns[name][i])) for name in names) for i in range(table.num_rows))


def read_parquet_folder(folder):
    files = sorted(f for f in glob.glob(os.path.join(folder, "**", "*.parquet"), recursive=True))
    tables = [pq.ParquetFile(f, coerce_int96_timestamp_unit="us").read() for f in files]
    return pa.concat_tables(tables, promote_options="permissive") if tables else None


def published(root, table):
    """The rows that were published beside a table, or None."""
    if not table.rstrip("/").endswith("/delta") and "/delta/" not in table:
        twin = os.path.join(root, "kernel-rs/golden_data", os.path.basename(table), "expected")
        return read_parquet_folder(twin) if table.startswith("delta-golden/") and os.path.isdir(twin) else None
    base = os.path.join(root, table[:table.index("/delta")])
    latest = os.path.join(base, "expected", "latest", "table_content")
    if os.path.isdir(latest):
        return read_parquet_folder(latest)
    folder = os.path.join(base, "expected")
    return read_parquet_folder(folder) if table.endswith("/delta") and os.path.isdir(folder) else None


def by_deltalake(path):
    import deltalake
    try:
        return pa.table(deltalake.QueryBuilder().register("t", deltalake.DeltaTable(path)).execute("SELECT * FROM t").read_all())
    except Exception:  # an oracle that cannot read a table says nothing
        return None


def compare(got, expected):
    got_names, got_rows = rows_of(got)
    want_names, want_rows = rows_of(expected)
    if got_names != want_names:
        return f"columns {got_names} instead of {want_names}"
    if got_rows != want_rows:
        missing = list((want_rows - got_rows).elements())[:2]
        extra = list((got_rows - want_rows).elements())[:2]
        return f"{sum(got_rows.values())} rows instead of {sum(want_rows.values())}; missing {missing}, extra {extra}"
    return None


def judge(root, table, answer, out):
    """(outcome, detail): read/refused/wrong."""
    if answer[0] == "error":
        return "refused", answer[2].replace(root, "")
    with pa.ipc.open_file(out) as reader:
        got = reader.read_all()
    for oracle, rows in (("published", lambda: published(root, table)), ("deltalake", lambda: by_deltalake(os.path.join(root, table)))):
        expected = None if (table, oracle) in UNFIT else rows()
        if expected is None:
            continue
        difference = compare(got, expected)
        if difference is None:
            return "read", oracle
        return "wrong", f"{oracle}: {difference}"
    return "read", f"rows={got.num_rows}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dump", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    archive = os.path.join(DATA, "delta-data.tar.xz")
    if not os.path.exists(archive):
        print("skipped: ../shared/data is absent")
        return 77
    root = os.path.join(arguments.work, "delta-data")
    if not os.path.exists(os.path.join(arguments.work, "unpacked")):
        with tarfile.open(archive) as tar:
            tar.extractall(arguments.work)
        open(os.path.join(arguments.work, "unpacked"), "w").close()
    with open(os.path.join(DATA, "delta-tables.tsv")) as index:
        tables = sorted(line.split("\t")[0] for line in index.read().splitlines()[1:])
    out = os.path.join(arguments.work, "rows.arrow")
    outcomes = {}
    process = subprocess.Popen([arguments.dump], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for table in tables:
        process.stdin.write(f"{os.path.join(root, table)}\t{out}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            print(f"FAILED {table}: the reader died with {process.wait()}")
            return 1
        outcomes[table] = judge(root, table, line.rstrip("\n").split("\t"), out)
    process.stdin.close()

    if arguments.record:
        with open(OUTCOMES, "w") as file:
            file.write("table\toutcome\tdetail\n")
            for table, (outcome, detail) in outcomes.items():
                file.write(f"{table}\t{outcome}\t{detail}\n")
    expected = {}
    with open(OUTCOMES) as file:
        for line in file.read().splitlines()[1:]:
            table, outcome, detail = line.split("\t")
            expected[table] = (outcome, detail)
    failed = 0
    for table, (outcome, detail) in outcomes.items():
        want, want_detail = expected.get(table, ("read", ""))
        if outcome == "wrong" or outcome != want or (outcome == "refused" and want_detail not in detail):
            failed += 1
            print(f"FAILED {table}: {outcome} ({detail}) instead of {want} ({want_detail})")
    counts = collections.Counter(outcome for outcome, _ in outcomes.values())
    print(f"{len(outcomes)} tables: {dict(counts)}; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
