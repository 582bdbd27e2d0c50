"""Debian's Chromium as an operator runs it: in its sandbox, so never as root."""

from __future__ import annotations

import os
from pathlib import Path

CHROMIUM = Path("/usr/bin/chromium")
_AS_NOBODY = """#!/bin/sh
# Chromium has no sandbox as root. So it becomes another user, who owns the profile.
for flag in "$@"; do
  case "$flag" in --user-data-dir=*) profile=${flag#--user-data-dir=} ;; esac
done
chown -R nobody "$profile"
exec setpriv --reuid=nobody --regid=nogroup --clear-groups "%s" "$@"
"""


def chromium_for(folder: Path) -> Path:
    """Return a program in `folder` that starts Chromium as a user who is not root."""
    if os.geteuid() != 0:
        return CHROMIUM
    # Another user runs the program, so the folder must be accessible to other users.
    for part in (folder, *folder.parents[:-1]):
        part.chmod(part.stat().st_mode | 0o011)
    script = folder / "chromium"
    script.write_text(_AS_NOBODY % CHROMIUM)
    script.chmod(0o755)
    return script
