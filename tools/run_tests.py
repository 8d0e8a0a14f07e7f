#!/usr/bin/env python3
"""Runs ctest once and judges the run: failures, skips that tests/skips.txt does not list, the time budget.

    run_tests.py --build FOLDER [--jobs N] [--measured NAME=SECONDS ...] [-L LABELS] [-R REGEX]

ctest's output passes through as it comes, but its closing summary is kept back, so that the table of
times stands before it and the run ends with ctest's own words. A test counts for the first of its labels
that is a lane; a lane's time is the time during which at least one of its tests ran.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
# label -> line of tests/budget.txt
LANES = {"crash": "crash", "interop": "interop", "unit": "unit", "golden": "unit", "check": "unit",
         "asan": "unit", "package": "unit"}
RESULT_LINE = re.compile(r"^ *\d+/\d+ +Test +#\d+: (\S+) \.+.*?([\d.]+) sec")
SUMMARY_LINE = re.compile(r"^\d+% tests passed|^No tests were found")


def table(path: pathlib.Path, separator: str | None) -> list[list[str]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split(separator, 1) for line in lines if line.strip() and not line.startswith("#")]


def labels_by_test(ctest: list[str]) -> dict[str, list[str]]:
    answer = json.loads(subprocess.run(ctest + ["--show-only=json-v1"], check=True, capture_output=True).stdout)
    found = {}
    for test in answer["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        found[test["name"]] = properties.get("LABELS", [])
    return found


def covered_seconds(intervals: list[tuple[float, float]]) -> float:
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def skips(junit: pathlib.Path) -> list[tuple[str, str]]:
    """(name, what was said) of each skipped test: whole ctest tests, and cases inside GoogleTest and pytest."""
    found = []
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        name = case.get("name")
        if case.get("status") in ("notrun", "disabled"):
            element = case.find("skipped")
            found.append((name, (element.get("message") if element is not None else "") or case.get("status")))
            continue
        output = case.findtext("system-out") or ""
        found += [(m[1], name) for m in re.finditer(r"^\[  SKIPPED \] ([\w/.]+\.[\w/]+)(?: \(\d+ ms\))?$", output, re.M)]
        reasons = re.findall(r"^SKIPPED \[\d+\] ([^\s:]+)(?::\d+)?: (.*)$", output, re.M)
        found += reasons
        counted = re.search(r"^=*.*\b(\d+) skipped\b.* in [\d.]+s", output, re.M)
        if counted and not reasons:
            found.append((name, f"{counted[1]} skipped, unnamed (pytest without -rs)"))
    return sorted(set(found))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--measured", action="append", default=[])
    parser.add_argument("-L", dest="labels")
    parser.add_argument("-R", dest="regex")
    options = parser.parse_args()

    junit = pathlib.Path(options.build) / "tests.xml"
    junit.unlink(missing_ok=True)
    ctest = ["ctest", "--test-dir", options.build]
    if options.labels:
        ctest += ["-L", options.labels]
    if options.regex:
        ctest += ["-R", options.regex]
    labels = labels_by_test(ctest)

    run = ctest + ["-j", options.jobs, "--output-on-failure", "--no-tests=error", "--output-junit", str(junit.resolve()),
                   "--test-output-size-passed", "4000000", "--test-output-size-failed", "4000000"]
    held, intervals = [], {}
    process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                               text=True, errors="replace")
    for line in process.stdout:
        if held or SUMMARY_LINE.match(line):
            held.append(line)
            continue
        print(line, end="", flush=True)
        if match := RESULT_LINE.match(line):
            now = time.monotonic()
            lane = next((LANES[x] for x in labels.get(match[1], []) if x in LANES), "other")
            intervals.setdefault(lane, []).append((now - float(match[2]), now))
    failed = process.wait() != 0

    problems = []
    if junit.exists():
        listed = [(re.compile(pattern), reason) for pattern, reason in
                  ((row + ["no reason given"])[:2] for row in table(ROOT / "tests" / "skips.txt", "\t"))]
        for name, said in skips(junit):
            reason = next((r for pattern, r in listed if pattern.search(name)), None)
            print(f"skipped: {name} ({said})" + (f": {reason}" if reason else ": NOT LISTED in tests/skips.txt"))
            if reason is None:
                problems.append(f"{name} was skipped and tests/skips.txt does not list it")
    else:
        problems.append("ctest wrote no result file")
    unlaned = [name for name, found in labels.items() if not any(x in LANES for x in found)]
    if unlaned:
        problems.append(f"tests without a lane's label: {' '.join(unlaned)}")

    measured = {name: float(seconds) for name, seconds in (m.split("=") for m in options.measured)}
    measured |= {lane: covered_seconds(spans) for lane, spans in intervals.items()}
    print("\nminutes        measured   budget")
    for name, budget in table(ROOT / "tests" / "budget.txt", None):
        seconds = measured.get(name)
        text = "-" if seconds is None else f"{seconds / 60:.1f}"
        over = "   OVER" if seconds is not None and seconds > 60 * float(budget) else ""
        print(f"{name:<12} {text:>10} {float(budget):>8.0f}{over}")
    print()
    print("".join(held), end="", flush=True)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if failed or problems else 0


sys.exit(main())
