"""Where things are in the repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STATE = ROOT / ".axon"  # logs, stamps and Redis' data
LABELS = STATE / "labels"  # `make labels` writes it, `make run` reads it
BUILD = ROOT / "build"  # the model that `make bench` measures
LOCK = ROOT / "requirements.lock"
REQUIREMENTS = ROOT / ".dev" / "requirements"
PACKAGES = (ROOT / "proto", ROOT / "inference", ROOT / "gateway")
FRONTEND = ROOT / "frontend"
PAGE = FRONTEND / "dist"
