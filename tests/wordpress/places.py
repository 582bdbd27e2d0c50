"""Layouts of a WordPress on its server: in a folder, behind a password, and so on.

with PLACES["folder"].on(site) as url:   # the site now lives at `url`
    ...                                  # afterwards it is where it was
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from tests.wordpress.site import WordPress

NAME, PASSWORD = "staging", "let me in"
_RELOAD_SECONDS = 180

# Links instead of copies: PHP and WordPress see one set of files, a browser sees the folder.
_IN_A_FOLDER = """
mkdir -p /srv/served
ln -sfn /var/www/wordpress "/srv/served/$1"
cat > /etc/apache2/sites-enabled/zz-place.conf <<'END'
DocumentRoot /srv/served
<Directory /srv/served>
    AllowOverride All
    Options FollowSymLinks
    Require all granted
</Directory>
END
"""
_RULES = """
RewriteEngine On
RewriteBase %(base)s
RewriteRule ^index\\.php$ - [L]
RewriteCond %%{REQUEST_FILENAME} !-f
RewriteCond %%{REQUEST_FILENAME} !-d
RewriteRule . %(base)sindex.php [L]
"""
_OWN_FOLDER = (
    _IN_A_FOLDER
    + """
echo '<?php require __DIR__ . "/wp/wp-blog-header.php";' > /srv/served/index.php
cat > /srv/served/.htaccess <<'END'
%(rules)s
END
"""
)
_PASSWORD = """
htpasswd -bc /srv/passwords "$2" "$3"
cat >> /var/www/wordpress/.htaccess <<'END'

AuthType Basic
AuthName "Staging"
AuthUserFile /srv/passwords
Require valid-user
END
"""
_KEEP = "cp -p /var/www/wordpress/.htaccess /srv/htaccess"
_BACK = """
cp -p /srv/htaccess /var/www/wordpress/.htaccess
rm -rf /srv/served /etc/apache2/sites-enabled/zz-place.conf
rm -f /var/www/wordpress/wp-content/mu-plugins/place.php
"""
_RELOAD = "set +u; source /etc/apache2/envvars; apache2 -k graceful"
_SET = """<?php
$_SERVER += array('HTTP_HOST' => %(host)s, 'REQUEST_URI' => '/', 'REQUEST_METHOD' => 'GET');
require '%(root)s/wp-load.php';
update_option('home', %(home)s);
update_option('siteurl', %(siteurl)s);
update_option('permalink_structure', %(links)s);
delete_option('rewrite_rules');
"""
_PRETTY = "/%year%/%monthnum%/%day%/%postname%/"


@dataclass(frozen=True)
class Place:
    """The paths of the site and of WordPress, and the configuration of the server."""

    home: str = ""
    siteurl: str = ""
    links: str = _PRETTY
    shell: str = ""
    plugin: str = ""
    asks_for_password: bool = False

    @contextmanager
    def on(self, site: WordPress) -> Iterator[str]:
        """Move the site here; yields its address."""
        site.run_shell(_KEEP)
        try:
            self._settle(site)
            yield site.url + self.home
        finally:
            site.run_shell(_BACK)
            Place()._settle(site)

    def _settle(self, site: WordPress) -> None:
        folder = self.siteurl.strip("/")
        words = " ".join(json.dumps(word) for word in (folder, NAME, PASSWORD))
        site.run_shell(f"set -- {words}\n{self.shell}\n{_RELOAD}")
        if self.plugin:
            path = f"{site.root}/wp-content/mu-plugins/place.php"
            site.run_shell(f"cat > {path} <<'END'\n<?php {self.plugin}\nEND")
        values = {
            "host": site.url.removeprefix("http://"),
            "home": site.url + self.home,
            "siteurl": site.url + self.siteurl,
            "links": self.links,
        }
        given = {name: json.dumps(value) for name, value in values.items()}
        site.run_php(_SET % {**given, "root": site.root})
        self._wait(f"{site.url}{self.siteurl}/wp-login.php")

    def _wait(self, page: str) -> None:
        """Wait until Apache uses its new configuration."""
        expected_status = 401 if self.asks_for_password else 200
        deadline = time.monotonic() + _RELOAD_SECONDS
        while requests.get(page, timeout=_RELOAD_SECONDS).status_code != expected_status:
            assert time.monotonic() < deadline, page
            time.sleep(0.1)


PLACES = {
    "plain links": Place(links="", shell="rm -f /var/www/wordpress/.htaccess"),
    "folder": Place(
        home="/blog",
        siteurl="/blog",
        shell=_IN_A_FOLDER
        + f"cat > /var/www/wordpress/.htaccess <<'END'{_RULES % {'base': '/blog/'}}END\n",
    ),
    "own folder": Place(siteurl="/wp", shell=_OWN_FOLDER % {"rules": _RULES % {"base": "/"}}),
    "language in every address": Place(
        plugin="add_filter('home_url', function ($url, $path) {"
        "return get_option('home') . '/en/' . ltrim((string) $path, '/'); }, 10, 2);"
    ),
    "another REST prefix": Place(
        plugin="add_filter('rest_url_prefix', function () { return 'api'; });"
    ),
    "password": Place(shell=_PASSWORD, asks_for_password=True),
}
