"""305 days of real invoices as a file stream: the table equals what DuckDB computes from the CSV files."""
import os
import tarfile

import duckdb
import pytest
from deltalake import DeltaTable
from weir_programs import SOURCE, weir

ARCHIVE = os.path.join(SOURCE, "..", "shared", "data", "retail-by-day.tar.xz")
SCHEMA = ("InvoiceNo STRING, StockCode STRING, Description STRING, Quantity INT, InvoiceDate TIMESTAMP, UnitPrice DOUBLE, "
          "CustomerID STRING, Country STRING")


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    if not os.path.exists(ARCHIVE):
        pytest.skip("skipped: ../shared/data is absent")
    folder = tmp_path_factory.mktemp("retail")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder)
    return folder / "by-day"


def test_the_table_equals_duckdb(days, tmp_path):
    table = str(tmp_path / "table")
    arguments = ["ingest", "--from", str(days), "--format", "csv", "--schema", SCHEMA, "--option", "header=true",
                 "--option", "maxFilesPerTrigger=40", "--to", table, "--checkpoint", str(tmp_path / "checkpoint"),
                 "--trigger", "availableNow"]
    weir(*arguments)
    weir(*arguments)  # nothing new: nothing added
    delta = DeltaTable(table)
    assert delta.version() == 7, "305 files in batches of 40 are 8 commits"
    rows = delta.to_pyarrow_table()  # noqa: F841 - DuckDB reads it by name
    totals = "SELECT Country, count(*) AS n, round(sum(Quantity * UnitPrice), 2) AS total FROM {} GROUP BY Country ORDER BY Country"
    csv = (f"read_csv('{days}/*.csv', header=true, columns={{InvoiceNo:'VARCHAR',StockCode:'VARCHAR',Description:'VARCHAR',"
           "Quantity:'INTEGER',InvoiceDate:'TIMESTAMP',UnitPrice:'DOUBLE',CustomerID:'VARCHAR',Country:'VARCHAR'})")
    expected = duckdb.sql(totals.format(csv)).fetchall()
    assert duckdb.sql(totals.format("rows")).fetchall() == expected
    assert sum(row[1] for row in expected) == 541_909
    counts = weir("sql", f"SELECT Country, count(*) AS n FROM delta.`{table}` GROUP BY Country ORDER BY Country",
                  "--output", "csv").splitlines()
    assert counts[1:] == [f"{country},{n}" for country, n, _ in expected]
