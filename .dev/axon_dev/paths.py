"""Where things are in the repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STATE = ROOT / ".axon"  # logs, stamps and Redis' data: whatever a run leaves behind
LABELS = STATE / "labels"  # what `make labels` fetched and `make run` reads
BUILD = ROOT / "build"  # the model that `make bench` measures
LOCK = ROOT / "requirements.lock"
REQUIREMENTS = ROOT / ".dev" / "requirements"
PACKAGES = (ROOT / "proto", ROOT / "inference", ROOT / "gateway")
FRONTEND = ROOT / "frontend"
PAGE = FRONTEND / "dist"
