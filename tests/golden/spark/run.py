#!/usr/bin/env python3
"""The recorded SQL and function cases through the unmodified client against `weir serve`.

    run.py check [--part fast|all] [--only RE]   every case of passing.json that was chosen still passes (exit status 1 where not)
    run.py record [--only RE]                    runs everything, adds what passes now to passing.json, prints the figures;
                                                 the list only grows: what no longer passes stays in it, is named, and ends the run with 1

WEIR_BINARY names the program. Needs the recorded cases (../shared beside the source folder, or WEIR_DATA for its data folder) and
the environment venv-connect. left_out.tsv: files that are not run, and why; slow.tsv: files that --part fast leaves to --part all.
The files are shared out among as many servers as there are cores, each with a warehouse of its own.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path(os.environ.get("WEIR_SOURCE_DIR", HERE.parents[2]))
SHARED = pathlib.Path(os.environ["WEIR_DATA"]).parent if "WEIR_DATA" in os.environ else SOURCE.parent / "shared"
RUNNER = SHARED / "tools" / "sql_cases.py"
ARCHIVES = [SHARED / "data" / name for name in ("sql-tests.tar.xz", "sail.tar.xz")]
PASSING = HERE / "passing.json"
GOOD = ("rows", "error")
KINDS = {"sql": "queries", "function": "function cases", "feature": "feature scenarios"}


def table(name):
    lines = (HERE / name).read_text().splitlines()
    return dict(line.split("\t", 1) for line in lines if line and not line.startswith("#"))


def file_of(case):
    return case.split("#", 1)[0]


def files_of(archive):
    """(name as the runner's --only sees it, weight) of each file of cases."""
    found = []
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.split("/", 1)[-1]
            if name.startswith("results/") and name.endswith(".sql.out"):
                name = name[len("results/"):-len(".out")]
                if not name.startswith(("udf/", "udaf/", "udtf/")):
                    found.append((name, member.size))
            elif name.startswith("spark-connect-gold/function/") and name.endswith(".json"):
                found.append((name, member.size // 20))
            elif name.endswith(".feature"):
                found.append((name.split("pysail-tests-spark/")[-1], member.size // 4))
    return found


class Share(threading.Thread):
    """Some of the files, one after the other, by one client against one server."""

    def __init__(self, folder, number):
        super().__init__()
        self.folder, self.number, self.jobs, self.weight = folder, number, collections.defaultdict(list), 0
        self.results, self.details, self.seconds, self.problem = {}, {}, {}, None
        self.server, self.deaths = None, []

    def add(self, archive, name, weight):
        self.jobs[archive].append(name)
        self.weight += weight

    def run(self):
        try:
            for archive, names in self.jobs.items():
                self.run_archive(archive, names)
        except Exception as error:  # told by the main thread
            self.problem = error

    def start_server(self, warehouse, port):
        server = subprocess.Popen(
            [os.environ["WEIR_BINARY"], "serve", "--listen", f"127.0.0.1:{port}", "--output", "json", "--warehouse", str(warehouse)],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env={**os.environ, "TZ": "America/Los_Angeles"})
        return server, json.loads(server.stdout.readline())["port"]

    def keep_alive(self, warehouse, port, ended):
        """A server that dies comes back, so that the cases after the one that killed it are still run."""
        while not ended.wait(0.1):
            if self.server.poll() is not None:
                self.deaths.append(self.server.returncode)
                self.server, _ = self.start_server(warehouse, port)

    def run_archive(self, archive, names):
        warehouse = self.folder / f"warehouse-{self.number}-{archive.stem}"
        self.server, port = self.start_server(warehouse, 0)
        ended = threading.Event()
        keeper = threading.Thread(target=self.keep_alive, args=(warehouse, port, ended))
        keeper.start()
        try:
            out = self.folder / f"{self.number}.json"
            only = "^(" + "|".join(map(re.escape, names)) + ")$"
            client = subprocess.Popen([sys.executable, str(RUNNER), f"sc://127.0.0.1:{port}", str(archive), "--only", only, "--json", str(out),
                                       "--timeout", "30", "--revive", "20"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            begin, lines = time.monotonic(), []
            for line in client.stdout:
                lines.append(line)
                if ": run " in line:
                    now = time.monotonic()
                    self.seconds[line.split(": run ")[0]] = now - begin
                    begin = now
            if client.wait() != 0:
                raise RuntimeError("the run ended early:\n" + "".join(lines[-15:]))
            answer = json.loads(out.read_text())
            for kind, files in answer["results"].items():
                for cases in files.values():
                    self.results.setdefault(kind, {}).update(cases)
            self.details.update(answer["details"])
        finally:
            ended.set()
            keeper.join()
            self.server.send_signal(signal.SIGTERM)
            try:
                self.server.wait(20)
            except subprocess.TimeoutExpired:
                self.server.kill()


def run_files(wanted):
    """wanted: {archive: [(name, weight)]} -> (results by kind and case, details, seconds by file)"""
    with tempfile.TemporaryDirectory(prefix="weir-golden-") as folder:
        shares = [Share(pathlib.Path(folder), i) for i in range(max(2, os.cpu_count() or 1))]
        for weight, archive, name in sorted(((w, a, n) for a, files in wanted.items() for n, w in files), reverse=True):
            min(shares, key=lambda share: share.weight).add(archive, name, weight)
        for share in shares:
            share.start()
        results, details, seconds, problems, deaths = {}, {}, {}, [], []
        for share in shares:
            share.join()
            if share.problem:
                problems.append(str(share.problem))
            for kind, cases in share.results.items():
                results.setdefault(kind, {}).update(cases)
            details.update(share.details)
            deaths += share.deaths
            seconds.update(share.seconds)
    for problem in problems:
        print(problem, file=sys.stderr)
    if deaths:
        crashed = sorted(case for cases in results.values() for case, status in cases.items() if status == "crash")
        print(f"the server died {len(deaths)} times ({deaths}), in: {crashed}", file=sys.stderr)
    return results, details, seconds, bool(problems or deaths)


def figures(results, left_out):
    for kind, label in KINDS.items():
        cases = results.get(kind, {})
        for title, chosen in (("all", cases), ("without the files left out", {c: s for c, s in cases.items() if file_of(c) not in left_out})):
            counted = collections.Counter(chosen.values())
            good = sum(counted[word] for word in GOOD)
            if chosen and (title == "all" or len(chosen) < len(cases)):
                print(f"{label}, {title}: {good:,} of {len(chosen):,} ({100 * good / len(chosen):.1f} %): {counted['rows']:,} with equal rows, "
                      f"{counted['error']:,} with the same error class")


def check(options):
    passing = json.loads(PASSING.read_text())["passing"]
    listed = {case for cases in passing.values() for case in cases}
    skipped = set() if options.part == "all" else set(table("slow.tsv"))
    skipped |= set(table("left_out.tsv"))
    wanted = {}
    have = {file_of(case) for case in listed}
    for archive in ARCHIVES:
        wanted[archive] = [(n, w) for n, w in files_of(archive)
                           if n in have and n not in skipped and (not options.only or re.search(options.only, n))]
    chosen = {name for files in wanted.values() for name, _ in files}
    gone = {f for f in have - skipped if not options.only} - chosen
    results, details, seconds, broken = run_files({a: f for a, f in wanted.items() if f})
    found = {case: status for cases in results.values() for case, status in cases.items()}
    expected = {case for case in listed if file_of(case) in chosen}
    lost = sorted(case for case in expected if found.get(case) not in GOOD)
    if 0 < len(lost) < 100:  # once more by themselves, in case it was the load
        names = {file_of(case) for case in lost}
        again, details, _, _ = run_files({a: [(n, w) for n, w in f if n in names] for a, f in wanted.items()})
        found |= {case: status for cases in again.values() for case, status in cases.items()}
        lost = [case for case in lost if found.get(case) not in GOOD]
    for case in lost[:50]:
        print(f"no longer passes: {case}: {found.get(case, 'not run')}\n    {json.dumps(details.get(case))[:700]}")
    more = sum(1 for case, status in found.items() if status in GOOD and case not in listed)
    slowest = sorted(seconds.items(), key=lambda pair: -pair[1])[:5]
    print("slowest: " + ", ".join(f"{name} {s:.1f} s" for name, s in slowest))
    print(f"{len(expected) - len(lost):,} of {len(expected):,} listed cases of {len(chosen)} files pass; {more} more pass and are not listed")
    if gone:
        print(f"not in the archives: {sorted(gone)}")
    return 1 if lost or gone or broken else 0


def record(options):
    left_out = table("left_out.tsv")
    before = json.loads(PASSING.read_text()) if PASSING.exists() else {"passing": {}}
    wanted = {a: [(n, w) for n, w in files_of(a) if not options.only or re.search(options.only, n)] for a in ARCHIVES}
    results, details, seconds, _ = run_files({a: f for a, f in wanted.items() if f})
    chosen = {name for files in wanted.values() for name, _ in files}
    now = {kind: {c for c, s in cases.items() if s in GOOD and file_of(c) not in left_out} for kind, cases in results.items()}
    lost = sorted(c for kind, cases in before["passing"].items() for c in cases
                  if file_of(c) in chosen and c not in now.get(kind, set()) and file_of(c) not in left_out)
    figures(results, left_out)
    for name, s in sorted(seconds.items(), key=lambda pair: -pair[1])[:15]:
        print(f"{s:6.1f} s  {name}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"results": results, "details": details}, indent=1))
    if lost:
        # Once more by themselves, in case it was the load.
        again, _, _, _ = run_files({a: [(n, w) for n, w in f if n in {file_of(c) for c in lost}] for a, f in wanted.items()})
        found = {case: status for cases in again.values() for case, status in cases.items()}
        still = [c for c in lost if found.get(c) not in GOOD]
        for kind, cases in before["passing"].items():
            now.setdefault(kind, set()).update(c for c in lost if c in cases and c not in still)
        for case in still:
            print(f"no longer passes: {case}: {json.dumps(details.get(case))[:500]}", file=sys.stderr)
        if still:
            print(f"{len(still)} listed cases no longer pass: they stay in the list, which only grows", file=sys.stderr)
            lost = still
        else:
            lost = []
    merged = {kind: sorted(set(before["passing"].get(kind, [])) | now.get(kind, set())) for kind in sorted(set(before["passing"]) | set(now))}
    PASSING.write_text(json.dumps({"note": "cases on which weir agrees with the recorded answers; written by run.py record, only grows",
                                   "passing": merged}, indent=0) + "\n")
    print(f"{PASSING.name}: {sum(map(len, merged.values())):,} cases, {sum(map(len, merged.values())) - sum(map(len, before['passing'].values())):,} more than before")
    return 1 if lost else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["check", "record"])
    parser.add_argument("--part", choices=["fast", "all"], default="all")
    parser.add_argument("--only", help="a regular expression over the files' names")
    parser.add_argument("--json", help="record: every case's outcome goes here")
    options = parser.parse_args()
    if not RUNNER.exists() or not all(archive.exists() for archive in ARCHIVES):
        print(f"skipped: the recorded cases are not at {SHARED}")
        return 77
    return check(options) if options.what == "check" else record(options)


if __name__ == "__main__":
    sys.exit(main())
