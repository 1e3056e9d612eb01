"""`make pin` fixes the base images by digest; `make bundle` takes Axon to where no internet is."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from axon_dev.compose import ask
from axon_dev.console import ROOT, Problem, run_step, say

#: The files that name images, each with a default that a variable may replace.
NAMING = ("inference/Dockerfile", "gateway/Dockerfile", "frontend/Dockerfile", "compose.yaml")
IMAGE = re.compile(r"(?P<before>ARG \w+_IMAGE=|\$\{\w+_IMAGE:-)(?P<name>[^\s}@]+)(@sha256:\w+)?")
#: What Compose needs besides images.
FILES = ("compose.yaml", "compose.gpu.yaml", "deploy", ".env.example", ".env")


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


def bundle() -> None:
    """Save images, models and settings into a folder; `restore.sh` in it brings them back."""
    to = Path(os.environ.get("TO") or "axon-bundle").absolute()
    if to.exists():
        raise Problem(f"{to} exists already: remove it, or name another folder (TO=...).")
    images = sorted(set(ask(*_compose("config", "--images")).split()))
    run_step("Building the images", _compose("build"))
    for image in images:
        known = subprocess.run(["docker", "image", "inspect", image], capture_output=True)
        if known.returncode:
            run_step(f"Downloading {image}", ["docker", "pull", "--quiet", image])
    to.mkdir(parents=True)
    run_step("Saving the images", ["docker", "save", "--output", to / "images.tar", *images])
    say("Saving the models ...")
    # By the service itself, so from wherever it keeps them, and as the user that may read them.
    tar = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "tar", "inference")
    with (to / "models.tar").open("wb") as out:
        saved = subprocess.run([*_compose(*tar), "-C", "/data", "-c", "."], cwd=ROOT, stdout=out)
    if saved.returncode:
        raise Problem("The models cannot be saved; see above.")
    for name in FILES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, to / name)
    shutil.copy(ROOT / "deploy" / "restore.sh", to / "restore.sh")
    size = sum(file.stat().st_size for file in to.rglob("*") if file.is_file())
    say(f"\n  {to}: {size / 1e9:.1f} GB, with your .env if there is one, and so its tokens.")
    say(f"  On the other machine: sh {to.name}/restore.sh\n")


def _compose(*arguments: str) -> list[str]:
    """Without a file's name, so that COMPOSE_FILE in .env chooses it."""
    return ["docker", "compose", *arguments]
