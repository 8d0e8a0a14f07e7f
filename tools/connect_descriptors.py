#!/usr/bin/env python3
"""Takes protocol descriptors out of generated Python modules (*_pb2.py), without importing them.

    connect_descriptors.py OUT.fds MODULE_pb2.py ...

Each module holds one serialized FileDescriptorProto in a call of AddSerializedFile. They are written as one
FileDescriptorSet, which protoc reads by --descriptor_set_in; so no .proto file has to be copied. Each file gets
`optimize_for = CODE_SIZE`: half of the code to compile, and what it costs at run time is little beside a query.
"""
import ast
import pathlib
import sys

OPTIONS_CODE_SIZE = b"\x42\x02\x48\x02"  # FileDescriptorProto.options (8) { optimize_for (9): CODE_SIZE (2) }; merges


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def descriptor(module: pathlib.Path) -> bytes:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "AddSerializedFile":
            blob = ast.literal_eval(node.args[0])
            if isinstance(blob, bytes):
                return blob
    sys.exit(f"{module}: no AddSerializedFile(b\"…\") in it")


def main() -> None:
    out, *modules = sys.argv[1:]
    data = bytearray()
    for module in modules:
        blob = descriptor(pathlib.Path(module)) + OPTIONS_CODE_SIZE
        data += b"\x0a" + varint(len(blob)) + blob
    pathlib.Path(out).write_bytes(data)


main()
