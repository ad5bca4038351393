#!/usr/bin/env bash
# Install what the tests of the report's page need: Chromium and its driver, from the packages of
# Debian or Ubuntu, and the accessibility rules of axe-core, from the npm registry, into .browser.
# Exit status 0 if Chromium and its driver are there afterwards.
set -u

AXE=4.10.3

both() {
    command -v chromedriver >/dev/null &&
        { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null
}

browser() {
    both && return 0
    local sudo=()
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo=(sudo -n); else sudo=(false); fi
    fi
    if command -v apt-get >/dev/null && [ "${sudo[*]-}" != false ]; then
        export DEBIAN_FRONTEND=noninteractive
        timeout 300 "${sudo[@]}" apt-get update -qq &&
            timeout 600 "${sudo[@]}" apt-get install -y -qq --no-install-recommends \
                chromium chromium-driver
    fi
    both && return 0
    echo "Chromium and its driver are not here and could not be installed with apt-get as this user." >&2
    return 1
}

rules() {
    local folder
    folder=$(cd "$(dirname "$0")/.." && pwd)/.browser
    grep -qs "\"version\": \"$AXE\"" "$folder/node_modules/axe-core/package.json" && return 0
    command -v npm >/dev/null &&
        timeout 120 npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund \
            --no-save --silent "axe-core@$AXE" >/dev/null && return 0
    echo "axe-core could not be installed with npm; the page's accessibility is tested without it." >&2
}

rules
browser
