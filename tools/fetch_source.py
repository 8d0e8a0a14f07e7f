#!/usr/bin/env python3
"""Takes single files out of a source package of the Python index, without building anything.

    fetch_source.py PACKAGE VERSION SHA256 FOLDER PATH[=NAME] ...

`pip download` of a source package runs the package's own build to learn its metadata; here only pip's
finder and its download session are used, so pip's own configuration (index, certificate, proxy) holds.
The archive must have the given hash. Needs the pip of the interpreter that runs this.
"""
import hashlib
import io
import pathlib
import sys
import tarfile

from pip._internal.commands import create_command
from pip._vendor.packaging.specifiers import SpecifierSet


def download(package: str, version: str) -> bytes:
    command = create_command("download")
    options, _ = command.parse_args(["--no-deps", "--no-binary", package, f"{package}=={version}"])
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)
        candidate = finder.find_best_candidate(package, SpecifierSet(f"=={version}")).best_candidate
        if candidate is None:
            sys.exit(f"{package} {version}: no source package found")
        if candidate.link.is_file:
            return pathlib.Path(candidate.link.file_path).read_bytes()
        answer = session.get(candidate.link.url_without_fragment, headers={"Accept-Encoding": "identity"})
        answer.raise_for_status()
        return answer.content


def main() -> None:
    package, version, sha256, folder, *paths = sys.argv[1:]
    archive = download(package, version)
    digest = hashlib.sha256(archive).hexdigest()
    if digest != sha256:
        sys.exit(f"{package} {version}: sha256 is {digest}, expected {sha256}")
    wanted = dict(path.split("=") if "=" in path else (path, path.rsplit("/", 1)[-1]) for path in paths)
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            name = wanted.pop(member.name.split("/", 1)[-1], None)
            if name:
                (target / name).write_bytes(tar.extractfile(member).read())
    if wanted:
        sys.exit(f"{package} {version}: not in the archive: {' '.join(wanted)}")


main()
