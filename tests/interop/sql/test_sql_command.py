"""`weir sql` over Delta tables that delta-rs and weir wrote, held against what DuckDB and pyarrow say."""
import csv
import datetime
import io
import json
import os
import pty
import select
import subprocess

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from weir_programs import WEIR, weir

COUNTRIES = ["Norge", "Österreich", "日本", None]


def sql(*arguments, code=0):
    done = subprocess.run([WEIR, "sql", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def json_rows(statement, *options):
    return [json.loads(line) for line in sql(statement, "--output", "json", *options).stdout.splitlines()]


def csv_rows(statement):
    return list(csv.reader(io.StringIO(sql(statement, "--output", "csv").stdout)))


def sales(count):
    return pa.table({
        "id": pa.array(range(count), pa.int64()),
        "country": pa.array([COUNTRIES[i % 4] for i in range(count)], pa.string()),
        "price": pa.array([None if i % 11 == 0 else i * 0.25 for i in range(count)], pa.float64()),
        "quantity": pa.array([i % 7 - 3 for i in range(count)], pa.int32()),
        "at": pa.array([1_600_000_000_000_003 + i * 61_000_000 for i in range(count)], pa.timestamp("us", "UTC")),
        "paid": pa.array([None if i % 5 == 0 else i % 2 == 0 for i in range(count)], pa.bool_()),
        "day": pa.array([18_000 + i % 3 for i in range(count)], pa.date32()),
    })


def by_delta_rs(folder, rows):
    """Three versions: two appends, partitioned by day, and a delete."""
    write_deltalake(folder, rows.slice(0, 600), partition_by=["day"])
    write_deltalake(folder, rows.slice(600), mode="append")
    DeltaTable(folder).delete("id >= 990")


def by_weir(folder, rows):
    """The same rows through a file stream, two batches."""
    source = folder + "-in"
    os.mkdir(source)
    import pyarrow.parquet as pq
    for name, part in (("a", rows.slice(0, 600)), ("b", rows.slice(600))):
        pq.write_table(part, f"{source}/{name}.parquet")
        weir("ingest", "--from", source, "--format", "parquet", "--schema",
             "id BIGINT, country STRING, price DOUBLE, quantity INT, at TIMESTAMP, paid BOOLEAN, day DATE",
             "--to", folder, "--checkpoint", folder + "-checkpoint", "--trigger", "availableNow",
             "--option", "partitionBy=day")
    DeltaTable(folder).delete("id >= 990")


@pytest.fixture(scope="module", params=[by_delta_rs, by_weir])
def table(request, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("sql") / "sales")
    request.param(folder, sales(1000))
    return folder


QUERIES = {
    "all columns of few": "SELECT * FROM {t} WHERE id < 5 ORDER BY id",
    "comparison and logic": "SELECT id FROM {t} WHERE (quantity > 1 AND price >= 50.25) OR id = 7 ORDER BY id",
    "text beyond ASCII": "SELECT id, country FROM {t} WHERE country = 'Österreich' AND id < 50 ORDER BY id DESC",
    "NULL": "SELECT id FROM {t} WHERE country IS NULL AND price IS NOT NULL ORDER BY id LIMIT 7",
    "a partition": "SELECT count(*) AS n, min(id) AS least FROM {t} WHERE day = DATE'2019-04-15'",
    "two partitions, none": "SELECT count(*) AS n FROM {t} WHERE day IN (DATE'2019-04-15', DATE'2030-01-01')",
    "a range that statistics can skip": "SELECT id, price FROM {t} WHERE id BETWEEN 700 AND 703 ORDER BY id",
    "groups": ("SELECT country, count(*) AS n, sum(quantity) AS q, avg(price) AS p, max(id) AS m FROM {t} "
               "GROUP BY country ORDER BY country NULLS FIRST"),
    "having": "SELECT quantity, count(*) AS n FROM {t} GROUP BY quantity HAVING count(*) > 141 ORDER BY quantity",
    "distinct": "SELECT DISTINCT day FROM {t} ORDER BY day",
    "order by two, limit": "SELECT quantity, id FROM {t} ORDER BY quantity DESC, id ASC LIMIT 9",
    "three-valued logic": "SELECT paid, count(*) AS n FROM {t} WHERE NOT (paid AND id > 100) GROUP BY paid ORDER BY paid NULLS FIRST",
    "no row": "SELECT id FROM {t} WHERE id > 100000",
    "no row to count": "SELECT count(*) AS n, sum(id) AS s FROM {t} WHERE id > 100000",
}


def plain(value):
    """A value as --output json has it: dates as they are, instants in UTC with what they have of microseconds."""
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0") + "Z"
    return value.isoformat() if isinstance(value, datetime.date) else value


@pytest.mark.parametrize("name", QUERIES)
def test_the_answers_are_duckdbs(table, name):
    rows = DeltaTable(table).to_pyarrow_table()
    at = rows.schema.get_field_index("at")  # without its zone, which DuckDB's client needs a package for
    rows = rows.set_column(at, "at", rows["at"].cast(pa.timestamp("us")))
    answer = duckdb.execute(QUERIES[name].format(t="rows"))
    names = [column[0] for column in answer.description]
    expected = [{name: plain(value) for name, value in zip(names, row)} for row in answer.fetchall()]
    assert json_rows(QUERIES[name].format(t=f"delta.`{table}`")) == expected


def test_versions(table):
    count = "SELECT count(*) AS n FROM delta.`{}`{}"
    counts = {v: int(csv_rows(count.format(table, f" VERSION AS OF {v}"))[1][0]) for v in range(3)}
    assert counts == {0: 600, 1: 1000, 2: 990}
    assert csv_rows(count.format(table, "")) == [["n"], ["990"]]


def test_csv(table):
    rows = csv_rows(f"SELECT id, country, price, day FROM delta.`{table}` WHERE id IN (0, 1, 2) ORDER BY id")
    assert rows == [["id", "country", "price", "day"], ["0", "Norge", "", "2019-04-14"],
                    ["1", "Österreich", "0.25", "2019-04-15"], ["2", "日本", "0.5", "2019-04-16"]]
    quoted = csv_rows(f"SELECT concat('a,\"b\"', country) AS `x,y` FROM delta.`{table}` WHERE id = 1")
    assert quoted == [["x,y"], ['a,"b"Österreich']]


def test_the_table_that_people_read(table):
    lines = sql(f"SELECT id, country FROM delta.`{table}` WHERE id < 2 ORDER BY id").stdout.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert cells == [["id", "country"], ["0", "Norge"], ["1", "Österreich"]]
    assert len({len(line) for line in lines if line}) == 1, "its lines are of one width"


@pytest.mark.parametrize("statement, code, said", [
    ("SELEKT 1", 2, "SELEKT"),
    ("SELECT nothing FROM delta.`{t}`", 2, "nothing"),
    ("SELECT nofunction(id) FROM delta.`{t}`", 2, "nofunction"),
    ("SELECT id + country FROM delta.`{t}` WHERE country = 'Norge'", None, ""),
    ("SELECT * FROM delta.`{t}-not-there`", 3, "-not-there"),
    ("SELECT * FROM delta.`{t}` VERSION AS OF 99", 3, "99"),
    ("SELECT 1 / 0", None, "DIVIDE_BY_ZERO"),
    ("SELECT CAST('x' AS INT)", None, "CAST_INVALID_INPUT"),
])
def test_errors_go_to_standard_error(table, statement, code, said):
    done = subprocess.run([WEIR, "sql", statement.format(t=table)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code if code is not None else done.returncode != 0, done.stdout + done.stderr
    assert done.stderr.startswith("weir: ") and said in done.stderr, done.stderr
    assert done.stdout == ""


def test_statements_from_everywhere(table, tmp_path):
    (tmp_path / "q.sql").write_text(f"SELECT 1 AS a;\n-- a remark\nSELECT count(*) AS n FROM delta.`{table}`;\n")
    assert sql("-f", str(tmp_path / "q.sql"), "--output", "csv").stdout.splitlines() == ["a", "1", "n", "990"]
    assert sql("-e", "SELECT 1 AS a", "-e", "SELECT 2 AS b", "--output", "csv").stdout.splitlines() == ["a", "1", "b", "2"]
    done = subprocess.run([WEIR, "sql", "-f", "-", "--output", "json"], input="SELECT 3 AS c", capture_output=True, text=True)
    assert json.loads(done.stdout) == {"c": 3}


def test_the_session_time_zone_shows():
    text = sql("SELECT timestamp'2026-07-01T12:00:00Z' AS t", "--output", "csv", "--time-zone", "Europe/Oslo").stdout
    assert "14:00:00" in text


@pytest.mark.parametrize("arguments", [[], ["SELECT 1", "--output", "xml"], ["SELECT 1", "--no-such-option"],
                                       ["SELECT 1", "--time-zone", "Mars/Base"]])
def test_wrong_words_are_usage_errors(arguments):
    sql(*arguments, code=2)


@pytest.mark.parametrize("option", [["--warehouse", "w"], ["--memory-mb", "64"], ["--threads", "1"], ["--spill-folder", ""]])
def test_what_a_server_decides_is_not_said_here(option):
    assert option[0] in sql("--remote", "sc://localhost:9", "SELECT 1", *option, code=2).stderr


def test_errors_as_json():
    assert json.loads(sql("SELEKT 1", "--output", "json", code=2).stdout)["error"]["errorClass"] == "PARSE_SYNTAX_ERROR"


def test_texts_of_several_lines_are_printed_as_they_are(tmp_path):
    plan = sql("EXPLAIN SELECT id FROM range(3) WHERE id > 1").stdout.splitlines()
    assert plan[0] == "== Physical Plan ==" and any(line.startswith("Filter (id") for line in plan), plan
    assert sql("SELECT 'a\\nb' AS x, 1 AS y").stdout.splitlines()[3] == "|a b|1|"


def test_options_that_nobody_knows_are_told(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    view = f"CREATE TEMPORARY VIEW v USING csv OPTIONS (path '{tmp_path}/a.csv', heaader 'true')"
    assert "no option 'heaader': it is ignored" in sql("-e", view, "-e", "SELECT * FROM v").stderr


def test_ctrl_c_at_the_prompt_gives_up_what_was_typed(tmp_path):
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(HOME=str(tmp_path), TERM="dumb")
        os.execv(WEIR, [WEIR, "sql", "--warehouse", str(tmp_path / "w")])
    seen = b""

    def until(text):
        nonlocal seen
        while text not in seen:
            ready, _, _ = select.select([terminal], [], [], 60)
            assert ready, seen
            seen += os.read(terminal, 4096)
        seen = seen[seen.index(text) + len(text):]

    try:
        until(b"weir> ")
        os.write(terminal, b"select 'no end\n")
        until(b"    > ")
        os.write(terminal, b"\x03")
        until(b"weir> ")
        os.write(terminal, b"select 40 + 2 as n; -- a remark\n")
        until(b"|42|")
        until(b"weir> ")
        os.write(terminal, b"exit\n")
    finally:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        os.close(terminal)


def test_a_file_that_is_not_there(tmp_path):
    done = sql("-f", str(tmp_path / "no.sql"), code=3)
    assert "no.sql" in done.stderr
