#!/usr/bin/env python3
"""Makes the relocatable folder weir-VERSION-linux-x86_64 and its archive.

    package.py --build FOLDER --deps FOLDER --out FOLDER [--test]

bin/weir finds lib/ by its own place; lib/ has the libraries of pyarrow and DuckDB that the program loads, and the
C++ API (libweir.a, cmake/weir) whose headers are in include/weir; licenses/ the text of everything that is inside.
With --test the archive is then unpacked elsewhere and run with an empty environment, every library that it loads
must lie in the folder or belong to the C and C++ runtime, and examples/cpp is built against it and run.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SYSTEM = re.compile(r"^(linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|resolv|stdc\+\+|gcc_s)\.so)")
# Distribution packages whose code is linked into the program, and the library file that tells that it is.
STATIC = {"libfmt-dev": "libfmt", "libspdlog-dev": "libspdlog", "libcli11-dev": "CLI", "librdkafka-dev": "librdkafka",
          "libssl-dev": "libssl", "libzstd-dev": "libzstd", "liblz4-dev": "liblz4", "libsnappy-dev": "libsnappy",
          "librocksdb-dev": "librocksdb", "libpugixml-dev": "libpugixml", "libbz2-dev": "libbz2",
          "libxxhash-dev": "libxxhash", "zlib1g-dev": "libz", "libboost1.81-dev": "boost", "libboost1.83-dev": "boost",
          "libboost-dev": "boost"}


def run(*command, **settings) -> str:
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, **settings).stdout


def cache_value(build: pathlib.Path, name: str) -> str:
    return re.search(rf"^{name}:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.M)[1]


def loaded(program: pathlib.Path, **settings) -> dict[str, str]:
    """name → path of all that the program loads, directly or not ("not found" where it is not)."""
    found = {}
    for line in run("ldd", program, **settings).splitlines():
        if match := re.match(r"\s*(\S+) => (.*?)(?: \(0x\w+\))?$", line):
            found[match[1]] = match[2]
    return found


def make(build: pathlib.Path, deps: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    version = cache_value(build, "CMAKE_PROJECT_VERSION")
    folder = out / f"weir-{version}-linux-x86_64"
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("bin", "lib", "licenses"):
        (folder / name).mkdir(parents=True)

    program = folder / "bin" / "weir"
    shutil.copy2(build / "weir", program)
    run("strip", "--strip-debug", program)
    for name, path in loaded(build / "weir").items():
        if not SYSTEM.match(name):
            shutil.copy2(path, folder / "lib" / name)
            run("patchelf", "--set-rpath", "$ORIGIN", folder / "lib" / name)
    run("patchelf", "--set-rpath", "$ORIGIN/../lib", program)

    run("cmake", "--build", build, "--target", "weir_library")
    shutil.copytree(ROOT / "include" / "weir", folder / "include" / "weir")
    shutil.copy2(build / "libweir.a", folder / "lib")
    (folder / "lib" / "cmake" / "weir").mkdir(parents=True)
    for path in (ROOT / "cmake" / "weir-config.cmake", build / "weir-config-version.cmake"):
        shutil.copy2(path, folder / "lib" / "cmake" / "weir")

    shutil.copy2(ROOT / "LICENSE", folder / "LICENSE")
    licenses = folder / "licenses"
    for path in deps.glob("venv/lib/python3*/site-packages/pyarrow-*.dist-info/**/*"):
        if path.is_file() and re.match(r"(LICENSE|NOTICE)", path.name):
            shutil.copy2(path, licenses / f"arrow-{path.name}")
    shutil.copy2(deps / "duckdb" / "LICENSE", licenses / "duckdb-LICENSE")
    for name in ("LICENSE", "NOTICE"):
        shutil.copy2(deps / "datasketches" / name, licenses / f"datasketches-{name}")
    # simdjson is under Apache-2.0 (as weir is) or MIT; its single-file form says so without the text.
    shutil.copy2(ROOT / "LICENSE", licenses / "simdjson-LICENSE")
    for package in STATIC:
        text = pathlib.Path("/usr/share/doc") / package / "copyright"
        if text.exists():
            shutil.copy2(text, licenses / f"{package}-copyright")
    for name in ("README.md", "CHANGELOG.md"):
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, folder / name)

    archive = folder.with_name(folder.name + ".tar.gz")
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(folder, arcname=folder.name)
    return archive


def test_api(folder: pathlib.Path, scratch: pathlib.Path) -> list[str]:
    """A program of somebody else's: examples/cpp copied out of the tree and built against the package."""
    source, built = scratch / "example", scratch / "example-build"
    shutil.copytree(ROOT / "examples" / "cpp", source)
    for command in (["cmake", "-S", source, "-B", built, f"-DCMAKE_PREFIX_PATH={folder}"], ["cmake", "--build", built],
                    [sys.executable, ROOT / "tests" / "examples" / "run_devices.py", built / "devices"]):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            return [f"{command[0]} of the example against the package: {done.stdout}{done.stderr}"]
    return []


def test(archive: pathlib.Path) -> list[str]:
    problems = []
    with tempfile.TemporaryDirectory(prefix="weir moved ") as scratch:
        with tarfile.open(archive) as tar:
            tar.extractall(scratch)
        folder = next(pathlib.Path(scratch).iterdir())
        program = folder / "bin" / "weir"
        empty = {"PATH": "/usr/bin:/bin"}
        for name, path in loaded(program, env=empty).items():
            inside = path.startswith(f"{folder}/")
            if not inside and not (SYSTEM.match(name) and re.match(r"/(usr/)?lib", path)):
                problems.append(f"{name} is loaded from {path}")
        for path in [program, *sorted((folder / "lib").glob("*.so*"))]:
            for entry in re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", run("readelf", "-d", path)):
                if not all(part.startswith("$ORIGIN") for part in entry.split(":")):
                    problems.append(f"{path.name} looks for libraries in {entry}")
        said = subprocess.run([program, "--version"], env=empty, cwd=scratch, capture_output=True, text=True)
        print(said.stdout, end="")
        if said.returncode != 0 or not said.stdout:
            problems.append(f"weir --version exited {said.returncode}: {said.stderr.strip()}")
        problems += test_api(folder, pathlib.Path(scratch))
    return problems


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--deps", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--test", action="store_true")
    options = parser.parse_args()
    archive = make(options.build, options.deps, options.out)
    print(f"package: {archive} ({archive.stat().st_size / 1e6:.0f} MB)")
    problems = test(archive) if options.test else []
    for problem in problems:
        print(f"package: {problem}")
    return 1 if problems else 0


sys.exit(main())
