#!/usr/bin/env python3
"""Every C++ file is as clang-format would write it. Versions differ in details: only the project's counts."""
import pathlib
import re
import shutil
import subprocess
import sys

VERSION = 14
ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> int:
    program = shutil.which(f"clang-format-{VERSION}") or shutil.which("clang-format")
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout if program else "none"
    found = re.search(r"version (\d+)", said)
    if not found or int(found[1]) != VERSION:
        print(f"clang-format {VERSION} is not installed: {said.strip()}")
        return 77
    files = [str(p) for folder in ("src", "tests", "bench", "examples") for p in sorted((ROOT / folder).rglob("*"))
             if p.suffix in (".h", ".cc")]
    if not files:
        return 0
    bad = subprocess.run([program, "--dry-run", "-Werror", *files], capture_output=True, text=True)
    names = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", bad.stderr, re.M)))
    for name in names:
        print(pathlib.Path(name).relative_to(ROOT))
    print(f"format: {len(files)} files, {len(names)} to format (./dev format --all)")
    return 1 if bad.returncode else 0


sys.exit(main())
