"""`make demo`: Aura beside a WordPress whose plugins are out of date, until Ctrl-C.

Both start empty every time, because a pairing with yesterday's site, which is gone, would be
useless. Aura's data stay in var/demo until the next demo.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.wordpress.engine import EngineFailed
from tests.wordpress.site import WordPress

_ROOT = Path(__file__).parents[2]
_VAR = _ROOT / "var" / "demo"

_GUIDE = """
  WordPress {site.version} runs at {site.url}
    sign in      {site.url}/wp-admin/
    user         {site.admin_user}
    password     {site.admin_password}

  What to do now:
    1. Open the link that Aura prints below, and become the owner.
    2. Add the site {site.url}; the next page shows its pairing token.
    3. Paste it at {site.url}/wp-admin/options-general.php?page=siteagent
    4. Compare the fingerprint on both screens, and look at what is out of date.
    5. Allow updates of plugins on the tab Permissions of that page of wp-admin.
    6. Open Updates in Aura, review one, approve it, and watch it run.

  Updates are offered by a stand-in for WordPress.org; those of plugins and the theme
  can be installed in wp-admin, the one of WordPress itself can only be looked at.
"""


def main() -> int:
    """Run both; the exit status is Aura's own."""
    # A terminal that closes, or `kill`, ends the demo as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        print("Starting a WordPress ...", flush=True)
        site = WordPress.start("newest")
    except KeyboardInterrupt:
        return 130
    except EngineFailed as why:
        print(why, file=sys.stderr)
        return 1
    try:
        print(_GUIDE.format(site=site), flush=True)
        return _run_aura()
    finally:
        print("Removing the WordPress ...", flush=True)
        site.stop()


def _run_aura() -> int:
    shutil.rmtree(_VAR, ignore_errors=True)
    # Private addresses have to be allowed by name; this site's is one.
    environment = os.environ | {"AURA_VAR": str(_VAR), "AURA_ALLOW_NETS": "127.0.0.0/8"}
    # In a group of its own, so that Ctrl-C reaches it once, and from here.
    aura = subprocess.Popen(
        [sys.executable, "-m", "app.run.serve"], cwd=_ROOT, env=environment, start_new_session=True
    )
    try:
        return aura.wait()
    except KeyboardInterrupt:
        aura.send_signal(signal.SIGINT)
        return aura.wait()


if __name__ == "__main__":
    sys.exit(main())
