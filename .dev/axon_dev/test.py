"""`make test` and its slow relatives: install what they need, then run pytest.

pytest runs last, so that its summary is the last line printed.
"""

import os
import shlex
import shutil
import subprocess

from axon_dev.compose import require_engine, why_no_engine
from axon_dev.console import FRONTEND, ROOT, Problem, run_step, say
from axon_dev.install import PYTHON, setup

#: More would start more stacks than they save time.
MOST_WORKERS = 4
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def test() -> int:
    """Run the quick tests; arguments for pytest come from the variable ARGS."""
    setup()
    chromium()
    say("\nThe page's unit tests")
    page = subprocess.run(["npm", "test"], cwd=FRONTEND, stdin=subprocess.DEVNULL).returncode
    say("\nPython and browser tests")
    # Neighbours share fixtures: each worker takes a run of tests, and steals at the end.
    workers = str(min(MOST_WORKERS, os.cpu_count() or 1))
    code = _pytest("-n", workers, "--dist", "worksteal", *_arguments())
    if page != 0:
        raise Problem("The page's unit tests failed; see above.")
    return code


def test_nightly() -> int:
    """Run the tests marked nightly one by one, and the fuzz tests with more inputs."""
    setup()
    chromium()
    codes = [_pytest("-m", "nightly", *_arguments())]
    os.environ["AXON_FUZZ_INPUTS"] = "2000"
    return max(*codes, _pytest("tests/fuzz"))


def test_compose() -> int:
    """Build the images, start the containers and test them from outside; needs a Docker Engine."""
    reason = why_no_engine()
    if reason and os.environ.get("CI"):
        say(f"test-compose: skipped, because this machine cannot run it. {reason}")
        return 0
    require_engine()
    setup()
    chromium()
    return _pytest("tests/compose", *_arguments())


def _arguments() -> list[str]:
    return shlex.split(os.environ.get("ARGS", ""))


def _pytest(*arguments: str) -> int:
    command = [PYTHON, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL).returncode


def chromium() -> None:
    """Install a browser unless there is one, as root or by a sudo that asks for no password."""
    if any(shutil.which(name) for name in BROWSERS):
        return
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    may = not sudo or (shutil.which("sudo") and not subprocess.run([*sudo, "true"]).returncode)
    if shutil.which("apt-get") is None or not may:
        raise Problem(
            "The browser tests need Chromium: apt install chromium "
            "(or your system's package for it)."
        )
    # Waits for another running apt instead of failing.
    apt = [*sudo, "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    run_step("Updating the package lists", [*apt, "update"])
    options = ["--yes", "--no-install-recommends"]
    run_step("Installing Chromium", [*apt, "install", *options, "chromium"])
