"""List the attacks that come with a release, or that change files without one."""

from __future__ import annotations

from tests.support.attack import Attack, played

_SOURCES = "tests/domain/test_watch_provenance.py"
_COMPARED = "tests/domain/test_compare_releases.py"
_WAVES = "tests/domain/test_stop_rollout.py"
_FILES = "tests/plugin/test_compare_files.py"

RELEASES = (
    Attack(
        "A plugin is sold, and months later a release hides a program under a name of"
        " WordPress's own",
        played(
            _SOURCES, "test_the_attack_of_april_2026_stops_at_the_new_owner",
            _COMPARED, "test_a_rule_leaves_a_release_with_a_core_file_to_a_person",
        ),
    ),
    Attack(
        "A package comes from another server than before",
        played(_SOURCES, "test_a_package_from_another_host_than_before_is_told"),
    ),
    Attack(
        "A mirror gives one site of a rollout other bytes than the others",
        played(
            _WAVES, "test_a_mirror_that_serves_other_bytes_to_site_nine_stops_everything",
            _WAVES, "test_other_bytes_seen_anywhere_hold_a_wave_that_has_not_started",
        ),
    ),
    Attack(
        "A release breaks the first sites of a rollout, or no one knows what it did there",
        played(
            _WAVES,
            "test_a_fatal_error_of_the_first_site_stops_the_rollout_and_names_the_site",
            _WAVES, "test_an_unknown_result_is_no_success",
        ),
    ),
    Attack(
        "Someone adds a program to a plugin on the server, or changes a file of it",
        played(_FILES, "test_changed_missing_and_unknown_files_are_named"),
    ),
    Attack(
        "A server on the way answers for WordPress.org with another list of files",
        played(_FILES, "test_the_list_is_asked_for_over_https_without_following_redirects"),
    ),
)  # fmt: skip
