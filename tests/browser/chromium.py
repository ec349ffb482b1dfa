"""Debian's Chromium, from the distribution's packages, with Playwright as its driver.

Neither downloads anything: Playwright is given the program, and Chromium resolves no name but the loopback's.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from ftjob.fs import files
from ftjob.fs.paths import cache_dir
from tests import debian

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

PACKAGES = ("chromium", "fonts-inter", "fonts-jetbrains-mono", "fonts-freefont-otf")
"""The fonts: letters of pages and of terminals, and the braille that draws curves in a terminal."""
OFFLINE = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--no-proxy-server",
    "--disable-gpu",
)
FONTS = Template("""\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>$root/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>$folder/fontcache</cachedir>
  <alias><family>sans-serif</family><prefer><family>Inter</family></prefer></alias>
  <alias><family>monospace</family>
    <prefer><family>JetBrains Mono</family><family>FreeMono</family></prefer></alias>
  <match target="pattern"><edit name="family" mode="append_last"><string>Inter</string></edit></match>
</fontconfig>
""")


@dataclass(frozen=True)
class Chromium:
    """An unpacked Chromium; the same fonts on every machine, so that pictures are alike."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def program(self) -> Path:
        return self.root / "usr" / "lib" / "chromium" / "chromium"

    def environment(self) -> dict[str, str | float | bool]:
        """What the program runs in."""
        found = debian.libraries(self.root)
        paths = [found, found / "nss", found / "pulseaudio", self.root / "lib" / found.name]
        return {
            **os.environ,
            "HOME": str(self.folder),
            "LD_LIBRARY_PATH": ":".join(map(str, paths)),
            "FONTCONFIG_FILE": str(self.folder / "fonts.conf"),
            "TZ": "UTC",
        }

    def launch(self, playwright: "Playwright", *more: str) -> "Browser":
        """Start it without a window."""
        return playwright.chromium.launch(
            executable_path=self.program, env=self.environment(), args=[*OFFLINE, *more]
        )


def unpacked(cache: Path) -> Chromium:
    """Return Chromium, downloading and unpacking it where the cache has none."""
    chromium = Chromium(cache / "testbeds" / "chromium")
    root = debian.unpacked(chromium.folder, PACKAGES)
    fonts = FONTS.substitute(root=root, folder=chromium.folder)
    files.write_text(chromium.folder / "fonts.conf", fonts)
    return chromium


if __name__ == "__main__":
    sys.stdout.write(f"{unpacked(cache_dir()).program}\n")
