"""Run one of the Makefile's commands; works before anything is installed."""

from axon_dev.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
