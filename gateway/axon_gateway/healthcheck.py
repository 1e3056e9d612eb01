"""`python -m axon_gateway healthcheck`: checks the gateway at AXON_HOST and AXON_PORT."""

from __future__ import annotations

import argparse
import http.client
import json
from collections.abc import Sequence

from axon_service.process import local_address

from axon_gateway.config import Settings


def main(arguments: Sequence[str], settings: Settings) -> int:
    """Prints the gateway's state in one line; returns 0 if it is healthy, otherwise 1."""
    parser = argparse.ArgumentParser(
        prog="python -m axon_gateway healthcheck",
        description="Asks the gateway at AXON_HOST and AXON_PORT whether it answers; exit code 0 "
        "if so.",
    )
    parser.add_argument("--ready", action="store_true", help="ask whether it could generate now")
    parser.add_argument(
        "--timeout",
        type=float,
        default=5.0,
        metavar="S",
        help="seconds to wait for the answer (default: 5)",
    )
    options = parser.parse_args(arguments)
    address = local_address(settings.host, settings.port)
    connection = http.client.HTTPConnection(address, timeout=options.timeout)
    try:
        connection.request("GET", "/readyz" if options.ready else "/healthz")
        answer = connection.getresponse()
        state = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        print(f"axon_gateway: no answer from {address}: {error}")
        return 1
    finally:
        connection.close()
    print(f"axon_gateway: {state.get('message') or state.get('status')}")
    return 0 if answer.status == http.client.OK else 1
