#!/usr/bin/env python3
"""What must not be in the tree: package registries' hosts, paths of somebody's machine, secrets, large files,
dead links in the documentation. Sources that have grown long are named, but do not fail.

Exceptions are listed in tools/check_tree.allow: a regular expression over "path:line: text", a tab, why.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Written in pieces, so that this file does not find itself.
HOSTS = [r"pypi\." + "org", "pythonhosted" + r"\.", r"npmjs\." + r"(org|com)", r"repo1?\." + "maven", r"maven\." + "org",
         r"deb\." + "debian", r"archive\." + r"ubuntu", r"static\." + r"crates", r"crates\." + "io", r"proxy\." + "golang",
         "index-" + "url", "find-" + "links", r'"reso' + 'lved"']
PATHS = ["/ho" + r"me/[a-z]", "/ro" + r"ot/", "/Us" + r"ers/[A-Za-z]", "/wo" + r"rk/", "/tmp/" + r"(inst|dv)\b"]
SECRETS = [r"-----BEGIN [A-Z ]*PRIVATE " + "KEY", r"\bAKIA[0-9A-Z]{16}\b", r"\bgh[pousr]_[A-Za-z0-9]{36}",
           r"(Account|SharedAccess)" + r"Key=[A-Za-z0-9+/]{40,}", r"\bxox[abp]-[0-9A-Za-z-]{10,}"]
RULES = [("registry host", HOSTS), ("machine path", PATHS), ("secret", SECRETS)]
LARGE_BYTES = 2 << 20
LONG_LINES = {".h": 150, ".cc": 400}


def listed() -> list[pathlib.Path]:
    """Tracked files and new ones that are not ignored; without git (an unpacked archive) every file."""
    try:
        names = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                               check=True, capture_output=True).stdout.decode().split("\0")
        paths = [ROOT / name for name in names if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [p for p in ROOT.rglob("*") if p.relative_to(ROOT).parts[0] not in ("build", "dist", ".git")]
    return sorted(p for p in paths if p.is_file() and not p.is_symlink())


def dead_links(path: pathlib.Path, text: str) -> list[str]:
    found = []
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text):
        if re.match(r"[a-z]+:|#", target):
            continue
        if not (path.parent / target.split("#")[0]).exists():
            found.append(f"{path.relative_to(ROOT)}: dead link {target}")
    return found


def main() -> int:
    allow_file = ROOT / "tools" / "check_tree.allow"
    allow = [re.compile(line.split("\t")[0]) for line in allow_file.read_text().splitlines()
             if line and not line.startswith("#")] if allow_file.exists() else []
    rules = [(kind, re.compile("|".join(patterns))) for kind, patterns in RULES]
    problems, hints, files = [], [], listed()
    for path in files:
        name = path.relative_to(ROOT)
        size = path.stat().st_size
        if size > LARGE_BYTES and not any(a.search(f"{name}:0: large") for a in allow):
            problems.append(f"{name}: {size >> 20} MiB is too large for the tree")
        data = path.read_bytes()
        if b"\0" in data[:8192]:
            continue
        text = data.decode(errors="replace")
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            for kind, pattern in rules:
                if (match := pattern.search(line)) and not any(a.search(f"{name}:{number}: {line}") for a in allow):
                    problems.append(f"{name}:{number}: {kind}: {match[0]}")
        if name.parts[0] == "src" and len(lines) > LONG_LINES.get(path.suffix, 10**9) and not name.stem.endswith("_test"):
            hints.append(f"hint: {name} has {len(lines)} lines (usually under {LONG_LINES[path.suffix]})")
        if path.suffix == ".md":
            problems += dead_links(path, text)
    for line in hints + problems:
        print(line)
    print(f"tree: {len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


sys.exit(main())
