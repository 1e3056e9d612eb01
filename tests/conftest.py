"""What holds for every test."""

import os

# Decided before any module of a service is imported: a test sees only the settings it makes itself,
# whatever `make test AXON_MODEL=...` or the developer's shell has set, and never asks the hub.
for variable in [name for name in os.environ if name.startswith("AXON_")]:
    del os.environ[variable]
os.environ["HF_HUB_OFFLINE"] = "1"
