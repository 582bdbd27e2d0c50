"""List the attacks that come with a release, or that change files without one."""

from __future__ import annotations

from tests.support.attack import Attack, attack_tests

_SOURCES = "tests/domain/test_watch_provenance.py"
_COMPARED = "tests/domain/test_compare_releases.py"
_WAVES = "tests/domain/test_stop_rollout.py"
_FILES = "tests/plugin/test_compare_files.py"
_REAL_SITES = "tests/plugin/test_roll_out_on_real_sites.py"
_RULE = "tests/domain/test_install_first_on_some_sites.py"
_LOOK = "tests/pages/test_look_with_a_browser.py"
_PROXY = "tests/hostile/test_browser_proxy.py"
_BROKEN = "tests/hostile/test_broken_browsers.py"

RELEASES = (
    Attack(
        "A plugin is sold, and months later a release hides a program under a name of"
        " WordPress's own",
        attack_tests(
            _SOURCES, "test_the_attack_of_april_2026_stops_at_the_new_owner",
            _COMPARED, "test_a_rule_leaves_a_release_with_a_core_file_to_a_person",
        ),
    ),
    Attack(
        "A package comes from another server than before",
        attack_tests(_SOURCES, "test_a_package_from_a_different_host_than_before_is_reported"),
    ),
    Attack(
        "A mirror gives one site of a rollout other bytes than the others",
        attack_tests(
            _WAVES, "test_another_package_for_site_nine_stops_the_whole_rollout",
            _WAVES, "test_another_package_seen_anywhere_holds_a_wave_that_has_not_started",
            _REAL_SITES, "test_a_different_package_in_the_second_wave_stops_the_rollout",
        ),
    ),
    Attack(
        "A release breaks the first sites of a rollout, or no one knows what it did there",
        attack_tests(
            _WAVES,
            "test_a_fatal_error_on_the_first_site_stops_the_rollout",
            _WAVES, "test_an_unknown_result_is_no_success",
            _REAL_SITES,
            "test_a_fatal_update_of_the_canary_stops_the_rollout",
            _RULE, "test_a_failed_update_on_a_first_site_holds_all_others",
            _RULE, "test_an_update_outside_of_aura_proves_nothing",
        ),
    ),
    Attack(
        "Someone adds a program to a plugin on the server, or changes a file of it",
        attack_tests(_FILES, "test_changed_missing_and_unknown_files_are_named"),
    ),
    Attack(
        "A server on the way answers for WordPress.org with another list of files",
        attack_tests(_FILES, "test_the_list_is_requested_over_https_without_redirects"),
    ),
    Attack(
        "A page of a site uses the browser that looks at it to reach Aura's network, to leave"
        " something there, or to keep it busy",
        attack_tests(
            _LOOK, "test_a_hostile_page_reaches_no_private_address",
            _LOOK, "test_a_page_does_not_lead_to_another_host",
            _LOOK, "test_no_cookie_or_profile_survives_a_look",
            _PROXY, "test_each_connection_resolves_and_checks_the_name",
            _PROXY, "test_a_tunnel_carries_tls_and_nothing_else",
            _PROXY, "test_all_responses_together_have_a_size_limit",
            _BROKEN, "test_a_browser_that_hangs_is_killed_with_all_its_processes",
            _BROKEN, "test_a_browser_gets_none_of_the_environment",
        ),
    ),
)  # fmt: skip
