#!/usr/bin/env python3
"""Writes deps/python/NAME.txt from NAME.in: every package pinned, with the hashes that pip reports.

    tools/lock_requirements.py [NAME ...]

pip resolves once for each supported Python and architecture; the hashes of all answers are merged.
A package that is needed on some Pythons only gets a marker. A comment of NAME.in that ends in "no-deps" says
that the packages are taken alone.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

PYTHONS = ["3.11", "3.12", "3.13"]
PLATFORMS = ["manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux_2_12",
             "manylinux2010", "manylinux_2_5", "manylinux1"]
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "deps" / "python"
# Published as source only; everything else must come as a wheel.
SOURCE_ONLY = ["pyspark", "pyspark-client"]


def resolve(source: pathlib.Path, python: str) -> list[dict]:
    wanted = [line for line in source.read_text().splitlines() if line and not line.startswith("#")]
    from_source = [w for w in wanted if w.split("==")[0] in SOURCE_ONLY]
    no_deps = ["--no-deps"] if re.search(r"^#.*\bno-deps$", source.read_text(), re.M) else []
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed",
                   "--report", str(report)]
        if from_source:
            # pip cannot resolve a source package for another Python: this one's answer serves for all.
            command += [f"--no-binary={','.join(SOURCE_ONLY)}"]
        else:
            command += ["--only-binary=:all:", "--target", scratch, "--implementation", "cp",
                        "--python-version", python]
            for platform in PLATFORMS:
                command += ["--platform", f"{platform}_x86_64"]
        subprocess.run(command + no_deps + wanted, check=True)
        return json.loads(report.read_text())["install"]


def lock(name: str) -> None:
    source = FOLDER / f"{name}.in"
    pythons = PYTHONS[:1] if any(re.search(rf"^{p}==", source.read_text(), re.M) for p in SOURCE_ONLY) else PYTHONS
    found: dict[tuple[str, str], set[str]] = {}
    seen: dict[tuple[str, str], list[str]] = {}
    for python in pythons:
        for item in resolve(source, python):
            key = (re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower(), item["metadata"]["version"])
            found.setdefault(key, set()).add(item["download_info"]["archive_info"]["hashes"]["sha256"])
            seen.setdefault(key, []).append(python)
    lines = [f"# Written by tools/lock_requirements.py from {name}.in; do not edit."]
    for key in sorted(found):
        marker = ""
        if seen[key] != pythons:
            marker = " ; " + " or ".join(f"python_version == '{p}'" for p in seen[key])
        lines.append(f"{key[0]}=={key[1]}{marker} \\")
        lines.append(" \\\n".join(f"    --hash=sha256:{digest}" for digest in sorted(found[key])))
    (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n")
    print(f"{name}: {len(found)} packages")


for each in sys.argv[1:] or [p.stem for p in sorted(FOLDER.glob("*.in"))]:
    lock(each)
