"""`make pin` fixes the base images by digest."""

import re

from axon_dev.compose import ask
from axon_dev.console import ROOT, Problem, say

#: The files that name images, each with a default that a variable may replace.
NAMING = ("inference/Dockerfile", "gateway/Dockerfile", "frontend/Dockerfile", "compose.yaml")
IMAGE = re.compile(r"(?P<before>ARG \w+_IMAGE=|\$\{\w+_IMAGE:-)(?P<name>[^\s}@]+)(@sha256:\w+)?")


def pin() -> None:
    """Write the present digest behind the tag of each image that we do not build."""
    texts = {name: (ROOT / name).read_text() for name in NAMING}
    names = {found["name"] for text in texts.values() for found in IMAGE.finditer(text)}
    digests = {name: _digest(name) for name in sorted(names)}
    for file, text in texts.items():
        pinned = IMAGE.sub(lambda one: one["before"] + one["name"] + digests[one["name"]], text)
        (ROOT / file).write_text(pinned)
    for name, digest in digests.items():
        say(f"{name}{digest}")


def _digest(name: str) -> str:
    form = "{{json .Manifest.Digest}}"
    try:
        found = ask("docker", "buildx", "imagetools", "inspect", name, "--format", form)
    except Problem as problem:
        raise Problem(f"The digest of {name} cannot be looked up ({problem}).") from None
    digest = found.strip().strip('"')
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise Problem(f"The digest of {name} cannot be looked up: {digest!r} is none.")
    return f"@{digest}"
