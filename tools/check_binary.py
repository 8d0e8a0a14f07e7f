#!/usr/bin/env python3
"""What the program loads, exports and imports.

    check_binary.py PROGRAM

It may load the C library's family, libstdc++, libgcc_s, pyarrow's libraries and libduckdb. Everything else
is linked statically and hidden: pyarrow's libraries export an OpenSSL, a zlib and a simdjson of their own, and
a symbol exported by the program would take the place of theirs, or theirs of the program's.
"""
import re
import subprocess
import sys

LOADS = re.compile(r"^(lib(c|m|dl|rt|pthread|resolv)\.so\.\d+|ld-linux-x86-64\.so\.2|libstdc\+\+\.so\.6|libgcc_s\.so\.1"
                   r"|lib(arrow|arrow_\w+|parquet)\.so\.\d+|libduckdb\.so)$")
# Copies of the C and C++ libraries' variables, and inline code that both sides have from the same header.
EXPORTS = re.compile(r"^(__libc_single_threaded|stdin|stdout|stderr|environ|__environ|_environ|optarg|optind|opterr|optopt|program_invocation_(short_)?name"
                     r"|(typeinfo (name )?for |vtable for |guard variable for |VTT for |construction vtable for )?"
                     r"(virtual thunk to |non-virtual thunk to )?.*\b(std|__gnu_cxx|__cxxabiv1|arrow|parquet)::.*"
                     r"|typeinfo for (bool|float|double|(unsigned )?(char|short|int|long|long long)|signed char))$")
# Families that are linked statically: none of them may come from a library that happens to export it.
HIDDEN = re.compile(r"^(SSL_|CRYPTO_|EVP_|X509_|BIO_|OPENSSL_|ERR_|RAND_|rd_kafka_|ZSTD_|LZ4|XXH|snappy|simdjson|inflate|deflate|crc32|"
                    r"fmt::|spdlog::|boost::|CLI::|google::protobuf|grpc|re2::|rocksdb::|absl::|curl_)")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(program: str, which: str) -> list[str]:
    names = [line.split()[-1].split("@")[0] for line in run("nm", "-D", which, program).splitlines() if line.strip()]
    return run("c++filt", *names).splitlines() if names else []


def main() -> int:
    program = sys.argv[1]
    loads = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", program))
    exports, imports = symbols(program, "--defined-only"), symbols(program, "--undefined-only")
    problems = [f"loads {name}, which has to be linked statically" for name in loads if not LOADS.match(name)]
    problems += [f"exports {name}" for name in exports if not EXPORTS.match(name)]
    problems += [f"imports {name}, which has to be linked statically" for name in imports if HIDDEN.match(name)]
    for problem in problems[:50]:
        print(f"{program}: {problem}")
    print(f"binary: loads {', '.join(loads)}; {len(exports)} symbols exported, {len(imports)} imported, {len(problems)} problems")
    return 1 if problems else 0


sys.exit(main())
