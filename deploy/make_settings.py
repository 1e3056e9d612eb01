"""Write what Compose needs to know of the services' settings, from the services' own lists.

`settings.yaml` passes each setting that is set (in the shell, in .env, or in the file of
`docker compose --env-file`) on to its service. The end of `.env.example` describes them. Run this
file after settings were added or changed.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from textwrap import wrap

import axon_gateway.config
import axon_inference.config
from axon_service.settings import FromEnvironment

FOLDER = Path(__file__).parent
SERVICES: dict[str, type[FromEnvironment]] = {
    "gateway": axon_gateway.config.Settings,
    "inference": axon_inference.config.Settings,
}
#: Settings that compose.yaml or an image fixes: where the services listen and find each other. Some
#: of these names say where nginx publishes the page and gRPC.
FIXED = {
    "gateway": {"AXON_HOST", "AXON_PORT", "AXON_INFERENCE", "AXON_PAGE"},
    "inference": {
        "AXON_HOST",
        "AXON_GRPC_PORT",
        "AXON_GRPC_TLS_CERT",
        "AXON_GRPC_TLS_KEY",
        "AXON_METRICS_PORT",
    },
}
#: What libraries of the services read. In capitals only: gRPC would also take lower-case proxies,
#: and ask them for the other containers.
PROXIES = {
    "HTTPS_PROXY": "proxy for downloads (http://proxy.example:3128)",
    "HTTP_PROXY": "the same, for addresses without TLS",
    "NO_PROXY": "hosts that are reached without it, comma separated",
}
LIBRARIES = {
    "gateway": PROXIES,
    "inference": {
        "HF_TOKEN": "access token for the Hugging Face hub, for gated models",
        "HF_ENDPOINT": "address of a mirror of that hub",
        "HF_HUB_OFFLINE": "1: use only models that are here already",
        **PROXIES,
    },
}
EXAMPLE = FOLDER.parent / ".env.example"
#: The last line of the example that is written by hand.
MARK = "# What follows is written by deploy/make_settings.py"
WIDTH = 130


def variables(service: str) -> dict[str, str]:
    """The variables that reach a service's container, with their meanings."""
    about = {item.metadata["variable"]: item.metadata for item in fields(SERVICES[service])}
    own = {name: data["about"] for name, data in about.items() if name not in FIXED[service]}
    return own | LIBRARIES[service]


def passed() -> str:
    """The text of `settings.yaml`: a variable without a value is passed on if it is set."""
    lines = ["# Written by make_settings.py. Passes on the settings of the services that are set."]
    lines += ["services:"]
    for service in SERVICES:
        lines += [f"  {service}:", "    environment:"]
        lines += [f"      {name}:" for name in sorted(variables(service))]
    return "\n".join(lines) + "\n"


def example(text: str) -> str:
    """The text of `.env.example` with its end written anew."""
    by_hand, mark, rest = text.partition(MARK)
    text = by_hand + mark + rest.partition("\n")[0] + "\n"
    for service in SERVICES:
        text += f"\n# {service}\n"
        for name, about in variables(service).items():
            if f"\n#{name}=" not in text:
                text += "".join(f"# {line}\n" for line in wrap(about, WIDTH - 2)) + f"#{name}=\n"
    return text


if __name__ == "__main__":
    (FOLDER / "settings.yaml").write_text(passed())
    EXAMPLE.write_text(example(EXAMPLE.read_text()))
