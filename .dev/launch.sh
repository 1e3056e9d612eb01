#!/bin/sh
# Picks a Python that fits and hands over to dev.py. This one step is shell, because until it has run nobody knows
# whether there is a Python that could run it. Every candidate is really started: a pyenv shim may be on PATH and fail.
here=$(dirname "$0")

# An environment made earlier (perhaps with PYTHON=...) keeps its Python as long as that still works.
earlier=$(sed -n 's/^executable = //p' "$here/../.venv/pyvenv.cfg" 2>/dev/null)

found=""
IFS='
'
for candidate in ${PYTHON:-$earlier
python3
python3.12
python3.11}; do
    version=$("$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
    case $version in
        3.11.* | 3.12.*) exec "$candidate" "$here/dev.py" "$@" ;;
    esac
    found="$found${found:+, }$candidate is $version"
done
echo "axon: Python 3.11 or 3.12 is needed; found: ${found:-none that runs${PYTHON:+ as $PYTHON}}." \
    "Install one, or name one: make ${1:-run} PYTHON=/path/to/python3.12" >&2
exit 1
