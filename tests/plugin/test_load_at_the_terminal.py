"""Load SiteAgent in WP-CLI on a site whose wp-config.php has no secret keys."""

from __future__ import annotations

from tests.wordpress.engine import docker

CONFIG = "/var/www/wordpress/wp-config.php"

# Imitate the part of WP-CLI that SiteAgent uses.
AS_WP_CLI = """<?php
define('WP_CLI', true);
class WP_CLI {
    public static $hooks = array();
    public static function add_hook($when, $callback) { self::$hooks[$when][] = $callback; }
    public static function add_command($name, $command) {
        echo "$name ", is_array($command) ? get_class($command[0]) : get_class($command), "\\n";
    }
}
$_SERVER += array('HTTP_HOST' => '127.0.0.1', 'REQUEST_URI' => '/', 'REQUEST_METHOD' => 'GET');
require '/var/www/wordpress/wp-load.php';
foreach (WP_CLI::$hooks['after_wp_load'] ?? array() as $callback) { $callback(); }
"""


def test_the_commands_load_without_secret_keys(wp) -> None:
    keys = r"/_(KEY|SALT)'/s/, *'.*'/, 'put your unique phrase here'/"
    docker(
        *("exec", wp.container, "bash", "-euc"),
        f'cp -p {CONFIG} {CONFIG}.before; sed -Ei "{keys}" {CONFIG}',
    )
    try:
        commands = wp.run_php(AS_WP_CLI)
        assert "siteagent audit Siteagent_CLI_Command" in commands
        for name in ("pause", "resume", "status"):
            assert f"siteagent {name} Siteagent_Updates_Command" in commands
    finally:
        docker("exec", wp.container, "bash", "-euc", f"mv {CONFIG}.before {CONFIG}")
