"""The client's package: what it imports, and that outdated stubs are detected."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

_IMPORTED = """
import sys
import axon
known = set(sys.stdlib_module_names) | {"axon", "grpc", "google", "typing_extensions"}
# gRPC imports its optional parts if they are installed, and is written in Cython.
known |= {"grpc_health", "grpc_reflection", "grpc_tools", "grpc_status", "cython_runtime"}
names = {name.partition(".")[0] for name in sys.modules}
print(sorted(name for name in names - known if not name.startswith("_")))
"""


def test_importing_it_needs_grpcio_and_protobuf_only() -> None:
    command = [sys.executable, "-I", "-c", _IMPORTED]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_outdated_stubs_are_detected(tmp_path: Path) -> None:
    copy = tmp_path / "proto"
    (copy / "axon" / "v1").mkdir(parents=True)
    (copy / "generate.py").write_bytes((ROOT / "proto" / "generate.py").read_bytes())
    for path in (ROOT / "proto" / "axon" / "v1").glob("inference*"):
        (copy / "axon" / "v1" / path.name).write_bytes(path.read_bytes())
    proto = copy / "axon" / "v1" / "inference.proto"
    proto.write_text(proto.read_text().replace("max_tokens = 2;", "most_tokens = 2;", 1))
    command = [sys.executable, str(copy / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "stale: proto/axon/v1/inference_pb2.py " in done.stderr
    assert "inference_pb2_grpc.py " not in done.stderr
