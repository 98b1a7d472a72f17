#!/bin/sh
# Releases the project in this directory. UNIBIN_VERSION: which unibin to install if there is none in PATH.
# SNAPSHOT=true: try it out. DIST: where to write.
set -eu
if ! command -v unibin > /dev/null; then
    cargo install --locked "unibin@${UNIBIN_VERSION:?which version of unibin}"
fi
set -- --dist "${DIST:-dist}"
if [ "${SNAPSHOT:-false}" = true ]; then
    set -- "$@" --snapshot
fi
unibin plan
unibin release "$@"
cd "${DIST:-dist}"
sha256sum -c SHA256SUMS
