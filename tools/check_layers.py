#!/usr/bin/env python3
"""Every #include "room/..." under src/ leads to the file's own room or to one of a lower layer.

The one list is src/layers.txt. Each folder of src/ must be listed, each listed room must exist. The headers of
include/weir/ are room api's: only it includes them, and they include each other and the standard library.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"


def main() -> int:
    layers = {}
    for line in (SOURCE / "layers.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            layer, room = line.split()[:2]
            layers[room] = int(layer)
    problems = []
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    problems += [f"src/{room} is not in src/layers.txt" for room in sorted(folders - set(layers))]
    problems += [f"room {room} of src/layers.txt has no source file" for room in sorted(layers)
                 if not any((SOURCE / room).glob("*.cc"))]
    files = [path for room in sorted(folders & set(layers)) for path in sorted((SOURCE / room).rglob("*"))
             if path.suffix in (".h", ".cc")]
    for path in files:
        room = path.relative_to(SOURCE).parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([a-z_]+)/', line)
            if not match or match[1] == room:
                continue
            where = f"{path.relative_to(ROOT)}:{number}"
            if match[1] == "weir" and room == "api":
                continue
            if match[1] not in layers:
                problems.append(f"{where}: no room '{match[1]}'")
            elif layers[match[1]] >= layers[room]:
                problems.append(f"{where}: {room} (layer {layers[room]}) includes {match[1]} (layer {layers[match[1]]})")
    for path in sorted((ROOT / "include").rglob("*.h")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r'\s*#\s*include', line) and not re.match(r'#include (<[a-z_]+>|"weir/[a-z_]+\.h")', line):
                problems.append(f"{path.relative_to(ROOT)}:{number}: more than the standard library and weir/")
    for problem in problems:
        print(problem)
    print(f"layers: {len(files)} files in {len(folders)} rooms, {len(problems)} problems")
    return 1 if problems else 0


sys.exit(main())
