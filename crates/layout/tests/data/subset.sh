#!/bin/sh
# The glyphs of the test of Chinese and Japanese, from Noto Sans JP (PyPI: pylopdf-fonts-cjk 0.1.0), by fonttools 4.68.0.
pyftsubset NotoSansJP-Regular.otf --text="春の新作が届きました。今すぐ見る限定三日間" --layout-features= --no-hinting --output-file=noto-sans-jp-subset.otf
