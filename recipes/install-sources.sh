#!/bin/sh
# Installs the picture sources of default.toml into one folder (by default ~/.cache/calotype/sources), by
# package name and version: npm packages with npm, openclipart-svg with apt-get and dpkg (nothing is installed system-wide).
# Usage: recipes/install-sources.sh [FOLDER]
set -eu

folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/calotype/sources}
mkdir -p "$folder"
cd "$folder"

npm install --prefix . --ignore-scripts --no-audit --no-fund \
  @lobehub/fluent-emoji-3d@1.1.0 \
  @lobehub/fluent-emoji-flat@1.1.0 \
  @lobehub/fluent-emoji-modern@1.0.0 \
  @iconify-json/fluent-emoji-high-contrast@1.2.6 \
  @iconify-json/noto@1.2.9 \
  @iconify-json/noto-v1@1.2.5 \
  @iconify-json/streamline-emojis@1.2.4 \
  @iconify-json/fxemoji@1.2.2 \
  @iconify-json/twemoji@1.2.5 \
  @iconify-json/emojione@1.2.3 \
  @iconify-json/flat-color-icons@1.2.3 \
  @iconify-json/fluent-color@1.2.21 \
  @iconify-json/ph@1.2.2 \
  @iconify-json/tabler@1.2.41 \
  @iconify-json/lucide@1.2.137 \
  @iconify-json/emojione-monotone@1.2.1 \
  @iconify-json/streamline-color@1.2.2 \
  @iconify-json/streamline-plump-color@1.2.2 \
  @iconify-json/streamline-flex-color@1.2.2 \
  @iconify-json/streamline-sharp-color@1.2.2 \
  @iconify-json/streamline-ultimate-color@1.2.2 \
  @iconify-json/streamline-cyber-color@1.2.2 \
  @iconify-json/streamline-freehand-color@1.2.2 \
  @iconify-json/streamline-stickies-color@1.2.2 \
  @iconify-json/icon-park@1.2.4 \
  @iconify-json/marketeq@1.2.2 \
  @iconify-json/solar@1.2.13 \
  @iconify-json/pinhead@1.2.28 \
  @iconify-json/temaki@1.2.6 \
  @iconify-json/healthicons@1.2.13 \
  emojibase-data@17.0.0

if [ ! -d openclipart/usr/share/openclipart/svg ]; then
  if command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
    mkdir -p apt
    (cd apt && apt-get download openclipart-svg)
    dpkg -x apt/openclipart-svg_*.deb openclipart
  else
    echo "openclipart-svg needs a Debian system: unpack that package into $folder/openclipart" >&2
    exit 1
  fi
fi
echo "sources are in $folder"
