#!/bin/sh
# Set up the virtual environment that `make audit` and `make test` use. Called by the Makefile:
#   PYTHON=python3 VENV=.venv TORCH_INDEX= sh install.sh [dev]
#
# Torch is the one package whose wheel depends on the machine. With a GPU the default index serves. Without
# one, its newest wheels may bring gigabytes of CUDA, so a build marked +cpu is taken: from the default index
# where that has one, from PyTorch's public CPU index otherwise. TORCH_INDEX names another index.
set -eu
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
TORCH_INDEX=${TORCH_INDEX:-}
CPU_INDEX=https://download.pytorch.org/whl/cpu
PIP="$VENV/bin/python -m pip --disable-pip-version-check"

if [ "${1:-}" = dev ]; then
    echo "Installing the test tools: about 60 MB more, half a minute."
    $PIP install --quiet --group dev
    exit 0
fi

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "govaudit needs Python 3.11 or newer; $PYTHON is $("$PYTHON" -V 2>&1). Set PYTHON=/path/to/python3.11." >&2
    exit 2
fi
echo "Installing into $VENV: about 0.6 GB to download and 2 GB on disk (CPU build; several GB more with a"
echo "GPU), 2 to 5 minutes on a usual line. Nothing outside this folder is changed."
"$PYTHON" -m venv "$VENV"
$PIP install --quiet --upgrade "pip>=25.1"

if $PIP show --quiet torch 2>/dev/null; then
    :
elif [ -n "$TORCH_INDEX" ]; then
    $PIP install --quiet --index-url "$TORCH_INDEX" "torch>=2.6"
elif [ "$(uname -s)" != Linux ] || nvidia-smi >/dev/null 2>&1; then
    $PIP install --quiet "torch>=2.6"
else
    cpu=$($PIP index versions torch 2>/dev/null | tr ', ' '\n\n' | grep '+cpu$' | head -n 1 || true)
    if [ -n "$cpu" ]; then
        $PIP install --quiet "torch==$cpu"
    else
        $PIP install --quiet --index-url "$CPU_INDEX" "torch>=2.6"
    fi
fi
$PIP install --quiet --editable ".[train,api]"
echo "Installed govaudit $("$VENV/bin/python" -c 'import govaudit; print(govaudit.__version__)')."
