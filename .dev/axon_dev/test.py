"""`make test` and its slow relatives: set up what they need, then run pytest.

pytest runs last, so that its summary is the last line printed.
"""

import os
import shlex
import shutil
import subprocess

from axon_dev import engine, environment, node, page
from axon_dev.console import Problem, say
from axon_dev.paths import FRONTEND, ROOT, VENV_PYTHON
from axon_dev.steps import StepFailed, run_step

#: More would start more stacks than they save time.
MOST_WORKERS = 4
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def test() -> int:
    """Run the quick tests; arguments for pytest come from the variable ARGS."""
    _prepare()
    page.install()
    say("\nThe page's unit tests")
    page_code = subprocess.run(
        node.npm("test"), cwd=FRONTEND, env=node.environment(), stdin=subprocess.DEVNULL
    ).returncode
    say("\nPython and browser tests")
    # Neighbours share fixtures: each worker takes a run of tests, and steals at the end.
    workers = str(min(MOST_WORKERS, os.cpu_count() or 1))
    code = _pytest("-n", workers, "--dist", "worksteal", *_arguments())
    if page_code != 0:
        raise Problem("The page's unit tests failed; see above.")
    return code


def test_nightly() -> int:
    """Run the tests marked nightly one by one, and the fuzz tests with more inputs."""
    _prepare()
    codes = [_pytest("-m", "nightly", *_arguments())]
    os.environ["AXON_FUZZ_INPUTS"] = "2000"
    codes.append(_pytest("tests/fuzz"))
    return max(codes)


def test_compose() -> int:
    """Build the images, start the containers and test them from outside; needs a Docker Engine."""
    reason = engine.why_none()
    if reason and os.environ.get("CI"):
        say(f"test-compose: skipped, because this machine cannot run it. {reason}")
        return 0
    engine.require()
    environment.setup()
    system_packages()
    return _pytest("tests/compose", *_arguments())


def _prepare() -> None:
    environment.setup()
    page.build()
    system_packages()


def _arguments() -> list[str]:
    return shlex.split(os.environ.get("ARGS", ""))


def _pytest(*arguments: str) -> int:
    return subprocess.run(
        [VENV_PYTHON, "-m", "pytest", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL
    ).returncode


def system_packages() -> None:
    """Install a browser unless there is one; neither PyPI nor npm has it."""
    if any(shutil.which(name) for name in BROWSERS):
        return
    apt = _apt()
    if apt is None:
        raise Problem(
            "The browser tests need Chromium: apt install chromium "
            "(or your system's package for it)."
        )
    try:
        run_step("Updating the package lists", [*apt, "update"])
        install = [*apt, "install", "--yes", "--no-install-recommends", "chromium"]
        run_step("Installing Chromium", install)
    except StepFailed as failure:
        raise Problem(f"Chromium could not be installed: apt install chromium\n{failure}") from None


def _apt() -> list[str] | None:
    """The command apt-get, if this user is root or sudo needs no password; else None."""
    if shutil.which("apt-get") is None:
        return None
    # Wait for another running apt instead of failing.
    wait = "DPkg::Lock::Timeout=300"
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", wait]
    if os.geteuid() == 0:
        return apt
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n", *apt]
    return None
