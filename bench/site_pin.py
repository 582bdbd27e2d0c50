"""What a named package adds to an update on the site: its list, its hash, and its files on disk."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measure import Figure
from tests.plugin.support.real_wordpress import RealWordPress

# An ordinary plugin, and one of the largest.
_SIZES = ((300, 2_000_000, 30), (6_000, 21_000_000, 400))
_ROUNDS = 9
# The processor's time, because other programs on the machine would count twice otherwise.
_MEASURE = """
$folder = '/tmp/bench-pin';
mkdir($folder);
$zip = new ZipArchive();
$zip->open("$folder.zip", ZipArchive::CREATE);
mt_srand(1);
for ($number = 0; $number < %(files)d; $number++) {
    $name = sprintf('%%02d/file-%%d.php', $number %% 40, $number);
    for ($text = ''; strlen($text) < %(bytes)d / %(files)d; $text .= dechex(mt_rand()) . ' echo ');
    wp_mkdir_p(dirname("$folder/$name"));
    file_put_contents("$folder/$name", $text);
    $zip->addFromString("bench-pin/$name", $text);
}
$zip->close();
$layout = static function () { return new Siteagent_Package_Layout('plugin', 'bench-pin/x.php'); };
$work = array(
    'pin' => static function () use ($folder, $layout) {
        Siteagent_Package_Archive::require_plain_package("$folder.zip", $layout());
        hash_file('sha256', "$folder.zip");
        return Siteagent_Package_Tree::of_folder($folder);
    },
    'check' => static function () use ($folder, $layout) {
        return Siteagent_Package_Archive::tree_digest("$folder.zip", $layout());
    },
    'floor' => static function () use ($folder) {
        $all = new RecursiveDirectoryIterator($folder, FilesystemIterator::SKIP_DOTS);
        foreach (new RecursiveIteratorIterator($all) as $file) {
            hash_file('sha256', $file->getPathname());
        }
    },
);
$clock = static function () {
    $used = getrusage();
    return $used['ru_utime.tv_sec'] + $used['ru_stime.tv_sec']
        + ($used['ru_utime.tv_usec'] + $used['ru_stime.tv_usec']) / 1e6;
};
$least = array();
for ($round = 0; $round < %(rounds)d; $round++) {
    foreach ($work as $name => $do) {
        $began = $clock();
        $do();
        $least[$name][] = $clock() - $began;
    }
}
unlink("$folder.zip");
Siteagent_Filesystem::remove($folder);
return array_map('min', $least);
"""


def figures(wp: RealWordPress) -> Iterator[Figure]:
    """Measure a plugin of each size, and the ratio to only hashing the same files."""
    for files, size, target in _SIZES:
        least: dict[str, float] = wp.evaluate(
            _MEASURE % {"files": files, "bytes": size, "rounds": _ROUNDS}
        )
        ours, floor = f"proving {files:,} files", "hashing them"
        yield Figure.ratio(
            f"site.pin.{files}", ours, floor, {ours: least["pin"], floor: least["floor"]}
        )
        what, value = f"a named package of {files:,} files", round(least["pin"] * 1000, 1)
        note = f", and {least['check'] * 1000:.0f} ms in the pre-check"
        yield Figure.absolute(
            f"site.pin.{files}.added", what, value, "ms", note=note, target=target
        )
