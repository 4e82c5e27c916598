"""Writes and reads safetensors files: named tensors behind a header of JSON.

The format's own library orders metadata anew each time, so it would not give
the same bytes twice.

https://github.com/huggingface/safetensors#format
"""

import json
import struct
from typing import Dict, Tuple

import numpy as np

TYPES = {"U8": "u1", "F16": "<f2", "U32": "<u4", "F32": "<f4"}
# Where the first tensor begins: with sizes that are multiples of it, all of them do.
ALIGNMENT = 64


def tensor_file(tensors: Dict[str, np.ndarray], metadata: Dict[str, str]) -> bytes:
    """The file, its tensors in the order given."""
    header: Dict[str, object] = {"__metadata__": metadata} if metadata else {}
    blobs, at = [], 0
    for name, tensor in tensors.items():
        (kind,) = [kind for kind, dtype in TYPES.items() if np.dtype(dtype) == tensor.dtype]
        blobs.append(np.ascontiguousarray(tensor).tobytes())
        end = at + len(blobs[-1])
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return b"".join([struct.pack("<Q", len(text)), text, *blobs])


def read_tensors(data: bytes) -> Tuple[Dict[str, np.ndarray], Dict[str, str]]:
    """The tensors of a file, and its metadata."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, facts in header.items():
        start, end = (8 + length + at for at in facts["data_offsets"])
        flat = np.frombuffer(data[start:end], TYPES[facts["dtype"]])
        tensors[name] = flat.reshape(facts["shape"])
    return tensors, metadata
