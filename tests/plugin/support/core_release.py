"""Publish another release of WordPress on the WordPress.org of a test site."""

from __future__ import annotations

from tests.plugin.support.real_wordpress import RealWordPress

# A release that differs from the site's own WordPress only in its version number.
_RELEASE = """
$to = '%(to)s';
$file = "/srv/wordpress.org/downloads.wordpress.org/release/wordpress-%(named)s-no-content.zip";
is_dir(dirname($file)) || mkdir(dirname($file), 0755, true);
$zip = new ZipArchive();
$zip->open($file, ZipArchive::CREATE | ZipArchive::OVERWRITE);
foreach (array('wp-admin', 'wp-includes') as $folder) {
    $inside = new RecursiveDirectoryIterator(ABSPATH . $folder, FilesystemIterator::SKIP_DOTS);
    foreach (new RecursiveIteratorIterator($inside) as $one) {
        $path = $one->getPathname();
        if (!%(whole)s && 'php' !== $one->getExtension()) {
            continue;
        }
        $name = 'wordpress/' . substr($path, strlen(ABSPATH));
        $zip->addFile($path, $name);
        // Compressing 60 MB, and expanding them again, takes longer than the update.
        $zip->setCompressionName($name, ZipArchive::CM_STORE);
    }
}
foreach (glob(ABSPATH . '*.php') as $one) {
    'wp-config.php' === basename($one) || $zip->addFile($one, 'wordpress/' . basename($one));
}
$zip->addFromString('wordpress/readme.html', 'WordPress');
$zip->addFromString('wordpress/license.txt', 'GPL');
$version = file_get_contents(ABSPATH . 'wp-includes/version.php');
$zip->addFromString('wordpress/wp-includes/version.php',
    preg_replace('/^(\\$wp_version = )\\'[^\\']+\\'/m', "\\$1'$to'", $version));
return $zip->close();
"""


def core(site: RealWordPress) -> dict[str, str]:
    """Return a plan's item: the update of WordPress to the version that WordPress.org offers."""
    installed, available = site.evaluate(
        "Siteagent_Report::load_admin_includes();"
        "$core = new Siteagent_Component('core', 'core');"
        "return array($core->version(), $core->available_update()['version']);"
    )
    return {"kind": "core", "id": "core", "from": installed, "to": available}


def release(site: RealWordPress, named: str, to: str, *, whole: bool = False) -> None:
    """Publish this site's WordPress as release `to` in the package of release `named`.

    Without `whole`, the package has only the PHP files: 1,300 of 3,300 files and a fifth of the
    bytes. An update treats the other files in the same way.
    """
    values = {"named": named, "to": to, "whole": "true" if whole else "false"}
    assert site.evaluate(_RELEASE % values) is True
