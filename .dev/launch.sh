#!/bin/sh
# Finds Python 3.11 to 3.13 and runs dev.py with it. This step is shell because it cannot rely on any Python.
# It starts every candidate: a pyenv shim may be on PATH and still fail.
here=$(dirname "$0")

# An existing .venv (perhaps made with PYTHON=...) keeps its Python as long as that Python works.
earlier=$(sed -n 's/^executable = //p' "$here/../.venv/pyvenv.cfg" 2>/dev/null)

found=""
IFS='
'
for candidate in ${PYTHON:-$earlier
python3
python3.13
python3.12
python3.11}; do
    version=$("$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
    case $version in
        3.11.* | 3.12.* | 3.13.*) exec "$candidate" "$here/dev.py" "$@" ;;
    esac
    found="$found${found:+, }$candidate is $version"
done
echo "axon: Python 3.11, 3.12 or 3.13 is needed; found: ${found:-none that runs${PYTHON:+ as $PYTHON}}." \
    "Install it, or say where it is: make ${1:-run} PYTHON=/path/to/python3.12" >&2
exit 1
