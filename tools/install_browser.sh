#!/usr/bin/env bash
# Install Chromium and its driver, which the tests of the report's page need, from the packages of
# Debian or Ubuntu. Exit status 0 if both are there afterwards.
set -u

both() {
    command -v chromedriver >/dev/null &&
        { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null
}

both && exit 0
sudo=()
if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo=(sudo -n); else sudo=(false); fi
fi
if command -v apt-get >/dev/null && [ "${sudo[*]-}" != false ]; then
    export DEBIAN_FRONTEND=noninteractive
    timeout 300 "${sudo[@]}" apt-get update -qq &&
        timeout 600 "${sudo[@]}" apt-get install -y -qq --no-install-recommends \
            chromium chromium-driver
fi
both && exit 0
echo "Chromium and its driver are not here and could not be installed with apt-get as this user." >&2
exit 1
