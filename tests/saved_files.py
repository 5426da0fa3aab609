"""What tests of saved files share: telling lies in one."""

from __future__ import annotations

import json

from sparseinf.io.safetensors_file import open_safetensors, write_safetensors


def rewritten(path, change):
    """Change the description inside a saved file; what lies behind it moves, and is no longer aligned."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    description = json.loads(header["__metadata__"]["sparseinf"])
    change(description)
    header["__metadata__"]["sparseinf"] = json.dumps(description)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (1 - len(text) % 2)  # an odd length
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])


def with_tensor(path, name, change):
    """Write a file again with one tensor changed."""
    file = open_safetensors(path)
    tensors = {key: file.array(key).copy() for key in file.tensors}
    tensors[name] = change(tensors[name])
    write_safetensors(path, tensors, file.metadata)


def description_of(path):
    """What a saved file says that it holds."""
    return json.loads(open_safetensors(path).metadata["sparseinf"])
