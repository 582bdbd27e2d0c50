"""Releases as plugins and themes really bring them: those that work, and those that break a site.

Each is made of files that an old version holds, with one thing changed. That a release of
`is_sound` works, and that any other breaks the site, is not believed but seen: `bench.releases`
first lets WordPress alone install one of each kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

PLUGIN, THEME = "release-lab", "release-lab-theme"
MAIN = f"{PLUGIN}/{PLUGIN}.php"
FROM, TO = "1.0.0", "1.1.0"
_SMALL, _LARGE = 12, 300

Files = dict[str, str]
Change = Callable[[Files, Random], None]


@dataclass(frozen=True)
class Kind:
    """One kind of release: what its new version does, and how often it is among a hundred.

    `blind` are the pages that a release of this kind rightly answers otherwise, so that no one
    is asked whether they still work. `is_silent` breaks a page without an error anywhere.
    While one of `is_killed` is installed, the process ends.
    """

    name: str
    change: Change
    times: int
    is_sound: bool = True
    component: str = "plugin"
    is_active: bool = True
    blind: tuple[str, ...] = ()
    is_silent: bool = False
    is_killed: bool = False
    parts: int = _SMALL

    @property
    def id(self) -> str:
        return MAIN if self.component == "plugin" else THEME

    @property
    def slug(self) -> str:
        return PLUGIN if self.component == "plugin" else THEME

    def files(self, seed: int) -> Files:
        """Return the new version by path; the seed decides about its ordinary text."""
        random = Random(seed)
        made = _plugin(TO, random, self.parts) if self.component == "plugin" else _theme(TO, random)
        self.change(made, random)
        return made


def old_files(component: str) -> Files:
    """Return what every update of the plugin, or of the theme, begins with."""
    random = Random(FROM)
    return _plugin(FROM, random, _SMALL) if component == "plugin" else _theme(FROM, random)


def _plugin(version: str, random: Random, parts: int) -> Files:
    main = f"""<?php
/*
Plugin Name: Release Lab
Version: {version}
Requires PHP: 7.4
*/
defined( 'ABSPATH' ) || exit;
require_once __DIR__ . '/includes/form.php';
add_action( 'wp_footer', static function () {{ echo '<p class="lab">Lab {version}</p>'; }} );
"""
    form = """<?php
add_shortcode( 'lab_order', static function () {
	return '<form action="/order" method="post"><input name="amount"><button>Order</button></form>';
} );
"""
    made = {MAIN: main, f"{PLUGIN}/includes/form.php": form}
    for place in range(parts):
        made[f"{PLUGIN}/includes/part-{place}.php"] = _part(random)
    made[f"{PLUGIN}/readme.txt"] = f"=== Release Lab ===\nStable tag: {version}\n"
    return made


def _theme(version: str, random: Random) -> Files:
    style = f"/*\nTheme Name: Release Lab Theme\nVersion: {version}\n*/\nbody {{ color: #222; }}\n"
    index = """<?php
get_header();
while ( have_posts() ) {
	the_post();
	the_title( '<h2>', '</h2>' );
	the_content();
}
get_footer();
"""
    header = "<!doctype html><html><head><?php wp_head(); ?></head><body>\n"
    return {
        f"{THEME}/style.css": style,
        f"{THEME}/index.php": index,
        f"{THEME}/header.php": header,
        f"{THEME}/footer.php": "<?php wp_footer(); ?></body></html>\n",
        f"{THEME}/functions.php": f"<?php\n// {random.randbytes(200).hex()}\n",
    }


def _part(random: Random) -> str:
    return f"<?php\n// {random.randbytes(random.randrange(200, 3000)).hex()}\n"


def _nothing(files: Files, random: Random) -> None:
    """Make an ordinary patch: only the text of its files differs."""


def _moved_files(files: Files, random: Random) -> None:
    for path in [path for path in files if "/part-1" in path]:
        del files[path]
    for place in range(8):
        files[f"{PLUGIN}/src/new-{place}.php"] = _part(random)


def _adding(code: str) -> Change:
    """Return the change that adds this PHP to the main file."""

    def change(files: Files, random: Random) -> None:
        files[MAIN] += code

    return change


def _adding_to_theme(code: str) -> Change:
    def change(files: Files, random: Random) -> None:
        files[f"{THEME}/functions.php"] += code

    return change


def _replacing(path: str, old: str, new: str) -> Change:
    def change(files: Files, random: Random) -> None:
        if old not in files[path]:
            raise ValueError(f"{path} does not hold {old!r}")
        files[path] = files[path].replace(old, new)

    return change


def _renamed_main(files: Files, random: Random) -> None:
    files[f"{PLUGIN}/lab.php"] = files.pop(MAIN)


def _without_form_file(files: Files, random: Random) -> None:
    del files[f"{PLUGIN}/includes/form.php"]


def _on(hook: str, body: str, *, first: int = 10) -> Change:
    return _adding(f"add_action( '{hook}', static function () {{ {body} }}, {first} );\n")


_CAROUSEL = (
    "wp_enqueue_script( 'lab-' . wp_rand(), home_url( '/lab.js' ), array(), (string) time() );"
    " add_action( 'wp_footer', static function () {"
    " printf( '<div class=\"slides\">%s %s %s</div>', esc_html( (string) wp_rand() ),"
    " esc_html( gmdate( 'c' ) ), esc_html( wp_create_nonce( 'lab' ) ) ); } );"
)
_UPGRADE = (
    "if ( get_option( 'lab_schema' ) !== '2' ) { global $wpdb;"
    ' $wpdb->query( "CREATE TABLE IF NOT EXISTS {$wpdb->prefix}lab (id INT)" );'
    " update_option( 'lab_schema', '2' ); }"
)
_FAILED_UPGRADE = "if ( get_option( 'lab_schema' ) !== '2' ) { lab_upgrade_that_does_not_exist(); }"
_CLOSED_API = (
    "add_filter( 'rest_authentication_errors', static function ( $is ) {"
    " return is_user_logged_in()"
    " ? $is : new WP_Error( 'closed', 'Closed', array( 'status' => 401 ) ); } );\n"
)
_FATAL = "lab_function_that_does_not_exist();"

_SOUND = (
    Kind("a patch", _nothing, 6),
    Kind("a patch, its process killed half way", _nothing, 4, is_killed=True),
    Kind("300 files, 700 kB", _nothing, 4, parts=_LARGE),
    Kind("files moved and gone", _moved_files, 6),
    Kind("an upgrade of its own table", _on("init", _UPGRADE), 6),
    Kind("a PHP warning on every page", _on("init", "trigger_error( 'Lab', E_USER_WARNING );"), 6),
    Kind("another front page each time", _on("wp_enqueue_scripts", _CAROUSEL), 8),
    Kind("a slow front page", _on("template_redirect", "usleep( 1500000 );"), 4),
    Kind("REST API closed to visitors", _adding(_CLOSED_API), 4, blind=("REST API",)),
    Kind(
        "front page redirected",
        _on(
            "template_redirect",
            "if ( is_front_page() ) { wp_redirect( home_url( '/?p=1' ) ); exit; }",
        ),
        4,
    ),
    Kind("empties caches", _on("upgrader_process_complete", "wp_cache_flush();"), 4),
    Kind("an inactive plugin", _nothing, 4, is_active=False),
    Kind("the active theme", _adding_to_theme("// Nothing else.\n"), 6, component="theme"),
)
_BROKEN = (
    Kind("fatal error on every page", _on("init", _FATAL), 4, False),
    Kind("syntax error", _adding("if ( {\n"), 3, False),
    Kind("a file that it requires is gone", _without_form_file, 3, False),
    Kind("fatal error for visitors only", _on("template_redirect", _FATAL), 3, False),
    Kind("fatal error in wp-admin only", _on("admin_init", _FATAL), 3, False),
    Kind("fatal error in the REST API only", _on("rest_api_init", _FATAL), 2, False),
    Kind("memory exhausted", _on("init", "$lab = str_repeat( 'x', 2000000000 );"), 2, False),
    Kind("fatal error in its upgrade", _on("init", _FAILED_UPGRADE), 2, False),
    Kind("white front page", _on("template_redirect", "exit;"), 2, False),
    Kind(
        "status 500 without an error",
        _on("template_redirect", "status_header( 500 ); echo 'Sorry'; exit;"),
        2,
        False,
    ),
    Kind(
        "front page redirects for ever",
        _on("template_redirect", "wp_redirect( home_url( '/?lab=' . wp_rand() ) ); exit;"),
        2,
        False,
    ),
    Kind("its main file renamed", _renamed_main, 2, False),
    Kind("theme: fatal error", _adding_to_theme(_FATAL + "\n"), 2, False, component="theme"),
    Kind(
        "fatal error on posts only",
        _on("template_redirect", f"if ( is_single() ) {{ {_FATAL} }}"),
        1,
        False,
    ),
    Kind(
        "a form without its button",
        _replacing(f"{PLUGIN}/includes/form.php", "<button>Order</button>", ""),
        1,
        False,
        is_silent=True,
    ),
)
# A hundred releases.
KINDS = (*_SOUND, *_BROKEN)
