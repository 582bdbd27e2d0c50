"""List the attacks on updates: on their approval and on their execution."""

from __future__ import annotations

from tests.support.attack import Attack, attack_tests

_BROUGHT = "tests/unit/test_compare_releases.py"
_COMPARED = "tests/domain/test_compare_releases.py"
_LOOK = "tests/unit/test_look_at_code.py"
_CARD = "tests/web/test_read_what_a_release_changes.py"
_PAUSED = "tests/plugin/test_pause_updates.py"
_HOURS = "tests/plugin/test_limit_update_hours.py"
_EXCLUDED = "tests/plugin/test_exclude_components.py"
_AGE = "tests/plugin/test_require_release_age.py"
_REST = "tests/domain/test_rest_period.py"
_ALLOWED = "tests/plugin/test_change_allowed.py"
_REFUSED = "tests/plugin/test_change_refused.py"
_RUN = "tests/plugin/test_change_run.py"
_CUT = "tests/plugin/test_change_interrupted.py"
_PLACES = "tests/plugin/test_change_places.py"
_RESTORE = "tests/plugin/test_restore_copy.py"
_REVERT = "tests/plugin/test_revert_update.py"
_CORE = "tests/plugin/test_change_core.py"
_KINDS = "tests/plugin/test_change_kinds.py"
_AGENT = "tests/plugin/test_agent_update.py"
_ITSELF = "tests/plugin/test_automatic_updates.py"
_SIGNED = "tests/hostile/test_signed_refusals.py"
_UPDATE = "tests/domain/test_update_siteagent.py"
_CHANGES = "tests/domain/test_changes.py"
_DRY_RUN = "tests/domain/test_dry_run.py"
_CARRIED = "tests/domain/run_change/test_run_change.py"
_OUTCOMES = "tests/domain/run_change/test_change_outcomes.py"
_LOST = "tests/domain/run_change/test_lost_reply.py"
_RULES = "tests/domain/test_auto_update_rules.py"
_PAGES = "tests/web/test_approve_change.py"
_RACES = "tests/domain/test_two_at_once.py"
_BROWSER = "tests/e2e/test_changes.py"
_VISITORS = "tests/plugin/test_change_hostile_visitors.py"
_LEFT = "tests/plugin/test_change_leaves_nothing.py"
_SERVERS = "tests/plugin/test_change_two_processes.py"
_CACHE = "tests/plugin/test_change_code_cache.py"
_RELEASES = "tests/plugin/test_self_updates.py"
_GRANT = "tests/plugin/test_allow_updates.py"

AUTHORITY = (
    Attack(
        "A validly signed plan does what the site's owner did not permit",
        attack_tests(
            _REFUSED, "test_what_the_owner_does_not_allow_is_refused_with_the_best_of_signatures",
            _REFUSED, "test_no_operation_raises_what_is_allowed",
            _ALLOWED, "test_at_first_nothing_is_allowed_and_the_screen_says_so",
            _ALLOWED, "test_taking_it_back_holds_from_the_next_request_on",
            _ALLOWED, "test_nobody_but_an_administrator_allows_anything",
            _ALLOWED, "test_a_form_from_elsewhere_allows_nothing",
        ),
    ),
    Attack(
        "A dashboard that was taken over has an old version put back that is not that of an "
        "update it has just made",
        attack_tests(
            _REVERT, "test_an_update_that_was_never_made_is_not_reverted",
            _REVERT, "test_a_site_that_may_not_revert_it_says_why",
            _REVERT, "test_what_was_installed_since_is_not_touched",
            _REVERT, "test_a_plan_whose_time_is_over_reverts_nothing",
        ),
    ),
    Attack(
        "A dashboard that signs everything correctly ignores the owner's pause and limits",
        attack_tests(
            _PAUSED, "test_the_pause_button_stops_a_signed_approved_plan",
            _PAUSED, "test_a_pause_that_comes_while_an_update_begins_is_in_time",
            _PAUSED, "test_wp_config_pauses_and_neither_wp_admin_nor_the_terminal_resumes",
            _PAUSED, "test_no_plan_and_no_operation_of_a_dashboard_lifts_a_pause",
            _PAUSED, "test_a_new_pairing_does_not_lift_a_pause",
            _PAUSED, "test_only_an_administrator_pauses_or_resumes",
            _PAUSED, "test_a_form_from_elsewhere_resumes_nothing",
            _HOURS, "test_outside_of_the_owners_hours_a_signed_plan_is_refused",
            _EXCLUDED, "test_what_is_never_updated_is_refused_and_reported",
            _EXCLUDED, "test_only_patch_releases_are_installed",
            _EXCLUDED, "test_code_on_the_site_can_only_be_stricter",
            _AGE, "test_a_plan_for_a_younger_release_is_refused_whatever_it_says",
            _AGE, "test_a_release_that_this_site_never_saw_is_refused",
            _AGE, "test_an_age_that_is_demanded_while_an_update_begins_is_in_time",
        ),
    ),
    Attack(
        "A harmful release is installed everywhere before anyone has noticed",
        attack_tests(
            _REST, "test_no_schedule_releases_a_second_early",
            _REST, "test_the_date_of_wordpress_org_counts_if_it_is_later",
            _REST, "test_a_rule_approves_no_release_that_was_withdrawn",
            _REST, "test_a_rule_leaves_out_what_wordpress_org_has_closed",
        ),
    ),
    Attack(
        "WordPress itself is updated with the permission for something else",
        attack_tests(
            _REFUSED, "test_minor_and_major_releases_of_wordpress_are_allowed_apart",
            _KINDS, "test_a_plugin_is_another_permission",
            _CORE, "test_a_major_release_is_installed_under_a_permission_of_its_own",
        ),
    ),
    Attack(
        "One person proposes and approves where two are required: by page, by race or with a new "
        "role",
        attack_tests(
            _CHANGES, "test_where_two_are_asked_for_the_proposer_is_not_the_approver",
            _CHANGES, "test_a_client_who_asks_for_two_in_between_gets_two",
            _CHANGES, "test_a_role_that_was_taken_meanwhile_releases_nothing",
            _PAGES, "test_where_two_are_asked_for_the_proposer_is_offered_no_button",
            _RACES, "test_a_proposer_never_wins_where_two_are_asked_for",
            _RACES, "test_a_change_is_released_by_one_person",
            _RULES, "test_where_two_are_asked_for_a_rule_needs_two",
        ),
    ),
    Attack(
        "An approval is used after the version, the site, its keys or its report changed",
        attack_tests(
            _CHANGES, "test_an_approval_is_void_when_the_site_is_not_as_it_was",
            _DRY_RUN, "test_new_keys_meanwhile_end_the_proposal",
            _CARRIED, "test_what_changed_since_the_approval_calls_it_off",
            _CARRIED, "test_an_approved_row_that_was_changed_is_not_sent",
            _REFUSED, "test_a_plan_for_another_address_is_refused",
            _REFUSED, "test_another_wordpress_or_php_than_when_it_was_approved",
            _BROWSER, "test_what_moved_on_after_the_approval_is_refused_with_nothing_touched",
        ),
    ),
    Attack(
        "An approval is used twice, too late, or after it was cancelled in the queue",
        attack_tests(
            _REFUSED, "test_a_plan_that_has_expired_or_is_not_due_is_refused",
            _REFUSED, "test_a_refusal_is_the_answer_to_that_op_id_for_good",
            _RUN, "test_the_same_order_again_gets_the_same_answer_and_is_not_done_twice",
            _CHANGES, "test_what_is_approved_can_be_cancelled_until_it_begins",
            _CHANGES, "test_what_nobody_decides_expires",
            _RACES, "test_releasing_and_cancelling_at_once_is_one_of_the_two",
        ),
    ),
    Attack(
        "The version differs from the approved one: installed, available or inside the package",
        attack_tests(
            _REFUSED, "test_what_is_not_installed_or_in_another_version",
            _REFUSED, "test_an_offer_that_moved_on_is_not_what_was_approved",
            _REFUSED, "test_a_package_whose_header_says_another_version",
            _REFUSED, "test_a_package_that_would_replace_another_plugin",
            _REFUSED, "test_a_package_of_other_bytes_than_approved",
            _REFUSED, "test_a_package_from_another_host_than_approved",
            _KINDS, "test_a_theme_package_that_lies_touches_nothing",
            _KINDS, "test_a_translation_whose_file_is_another_one_touches_nothing",
        ),
    ),
    Attack(
        "A release that everyone gets brings a backdoor, or a package is made to harm the program "
        "that compares it",
        attack_tests(
            _BROUGHT, "test_the_attack_of_april_2026_is_named",
            _BROUGHT, "test_many_harmless_oddities_hide_no_worse_one",
            _BROUGHT, "test_a_comparison_ends_in_time_and_says_so",
            _COMPARED, "test_a_rule_leaves_a_release_with_a_core_file_to_a_person",
            _COMPARED, "test_a_rule_waits_for_a_person_when_aura_cannot_tell",
            _LOOK, "test_hostile_code_takes_seconds_and_not_hours",
            _CARD, "test_what_is_in_a_file_is_text_and_nothing_else",
            _CARD, "test_a_name_that_reverses_text_is_spelled_out_and_found",
        ),
    ),
    Attack(
        "The general update operation replaces SiteAgent, or SiteAgent's own operation replaces "
        "something else",
        attack_tests(
            _REFUSED, "test_siteagent_does_not_change_itself",
            _AGENT, "test_the_general_operation_goes_on_refusing_it",
            _AGENT, "test_nothing_else_is_updated_in_its_name",
            _AGENT, "test_an_order_of_one_operation_is_none_for_the_other",
            _UPDATE, "test_as_a_plugin_it_cannot_be_proposed",
        ),
    ),
    Attack(
        "SiteAgent is updated without permission, from another package, or where no rollback is "
        "possible",
        attack_tests(
            _AGENT, "test_it_is_a_permission_of_its_own",
            _AGENT, "test_a_package_that_lies_touches_nothing",
            _AGENT, "test_a_version_whose_data_this_one_could_not_read_touches_nothing",
            _AGENT, "test_what_a_newer_version_stored_is_neither_used_nor_lost",
            _UPDATE, "test_nobody_proposes_it_where_the_owner_has_not_allowed_it",
            _UPDATE, "test_an_auto_update_rule_covers_it_only_by_its_own_name",
        ),
    ),
    Attack(
        "Files must not change: file changes are off, version control, FTP credentials, a full "
        "disk or no write access",
        attack_tests(
            _REFUSED, "test_file_modifications_switched_off_are_respected",
            _REFUSED, "test_a_folder_under_version_control_is_changed_from_there",
            _REFUSED, "test_a_site_that_asks_for_a_password_to_write_files_is_left_alone",
            _REFUSED, "test_a_folder_or_file_that_cannot_be_replaced_is_left_alone",
            _REFUSED, "test_a_link_is_not_replaced_by_a_folder",
            _PLACES, "test_a_full_disk_is_seen_before_anything_is_touched",
        ),
    ),
    Attack(
        "The database is upgraded without permission, by a rule, or otherwise than approved",
        attack_tests(
            "tests/plugin/test_upgrade_database.py",
            "test_without_the_owners_permission_nothing_runs",
            "tests/plugin/test_upgrade_database.py",
            "test_anything_but_what_was_approved_is_refused",
            "tests/domain/test_upgrade_database.py", "test_no_auto_update_rule_covers_it",
        ),
    ),
    Attack(
        "A kept copy of a former version is altered, replaced or fetched, or restored by someone "
        "who may not",
        attack_tests(
            _RESTORE, "test_a_copy_with_one_byte_changed_is_not_restored",
            _RESTORE, "test_an_archive_with_foreign_paths_or_links_is_not_restored",
            _RESTORE, "test_a_copy_that_is_gone_or_unknown_to_the_log_is_not_offered",
            _RESTORE, "test_an_update_keeps_the_former_version_where_nobody_can_fetch_or_run_it",
            _RESTORE, "test_who_may_not_update_plugins_restores_none",
            "tests/domain/test_record_restored_versions.py",
            "test_a_hostile_site_cannot_fill_the_audit_log",
        ),
    ),
    Attack(
        "A thief has the site's half of the keys, or writes to the queue or the database",
        attack_tests(
            _REFUSED, "test_the_keys_of_the_connection_alone_change_nothing",
            _REFUSED, "test_a_plan_of_anybody_else_is_none",
            _CARRIED, "test_a_job_for_what_nobody_approved_does_nothing",
            _CARRIED, "test_a_row_that_was_made_to_look_approved_is_not_sent",
        ),
    ),
)  # fmt: skip

EXECUTION = (
    Attack(
        "The new version causes a fatal error: on load, on the front page or later",
        attack_tests(
            _RUN, "test_a_version_that_breaks_the_site_is_taken_back",
            _RUN, "test_a_site_that_cannot_ask_itself_is_watched_until_somebody_looks",
            _KINDS, "test_a_theme_that_breaks_pages_is_taken_back",
            _KINDS, "test_a_translation_that_breaks_pages_is_taken_back",
            _CUT, "test_a_fatal_error_of_another_plugin_takes_nothing_back",
            _BROWSER, "test_a_version_that_breaks_the_site_is_taken_back",
        ),
    ),
    Attack(
        "The new SiteAgent breaks, does not answer or answers under another name, and the "
        "connection is lost",
        attack_tests(
            _AGENT, "test_a_version_that_does_not_answer_is_taken_back",
            _AGENT, "test_a_silent_version_goes_back_by_itself_where_nobody_could_ask",
            _AGENT,
            "test_where_the_site_cannot_ask_itself_the_dashboard_s_question_is_the_word_of_it",
            _UPDATE,
            "test_a_connection_that_died_with_the_new_version_tells_the_truth_when_it_is_back",
        ),
    ),
    Attack(
        "The process is killed during an update",
        attack_tests(
            _AGENT, "test_an_update_that_is_killed_is_taken_back",
            _KINDS, "test_a_translation_whose_process_is_killed_is_taken_back",
            _CUT, "test_a_run_that_dies_before_its_lock_is_held_is_noticed_at_its_deadline",
            _CUT, "test_a_run_that_is_killed_is_taken_back_with_the_next_request_of_any_kind",
            _CUT, "test_a_run_that_is_killed_before_it_touched_anything_says_so",
            _CUT, "test_a_run_in_which_another_plugin_throws_is_taken_back_and_not_forgotten",
            _PLACES,
            "test_without_room_for_a_watchdog_it_is_said_beforehand_and_the_site_mends_itself",
            _LOST, "test_a_worker_killed_at_any_line_leaves_a_true_end",
        ),
    ),
    Attack(
        "Two updates start at once on one site",
        attack_tests(
            _RUN, "test_eight_at_once_with_one_op_id_install_once",
            _RUN, "test_two_changes_at_once_one_is_told_to_come_again",
            _RUN, "test_wordpress_updating_by_itself_comes_first",
            _ITSELF, "test_the_report_says_what_wordpress_would_do",
            _CUT, "test_a_run_whose_lock_is_not_held_yet_is_not_taken_for_dead",
            _RACES, "test_of_two_changes_of_a_site_one_is_begun",
            _RACES, "test_a_change_is_begun_by_one_worker",
        ),
    ),
    Attack(
        "The answer is lost while the site continues",
        attack_tests(
            _CUT, "test_a_run_goes_on_when_the_dashboard_hangs_up",
            _LOST, "test_a_lost_reply_is_unknown_and_settles_itself",
            _LOST, "test_whatever_is_no_signed_answer_is_unknown",
            _LOST, "test_a_site_that_never_heard_of_it_is_believed_once_the_order_is_dead",
            _LOST, "test_a_site_whose_clock_is_slow_may_hear_of_it_for_longer",
            _LOST,
            "test_a_worker_that_stands_still_before_its_socket_sends_nothing_that_still_counts",
            _SIGNED, "test_a_call_is_signed_as_of_the_moment_that_was_noted_for_it",
            _CUT,
            "test_an_order_that_was_held_up_in_the_site_s_own_process_is_not_carried_out",
            "tests/unit/test_chaos.py",
            "test_what_is_said_of_many_changes_is_what_happened",
            "tests/jobs/test_real_chaos.py",
            "test_what_is_said_after_real_deaths_is_what_happened",
        ),
    ),
    Attack(
        "The upgrader reports success without one, or returns false, nothing or a list of errors",
        attack_tests(
            _RUN, "test_whatever_an_upgrader_answers_an_unchanged_version_is_no_success",
            _RUN, "test_a_new_version_that_works_is_a_success_whatever_the_upgrader_complains",
            _OUTCOMES, "test_a_success_without_its_evidence_is_unknown",
            _OUTCOMES, "test_a_success_that_broke_the_website_outside_is_a_failure",
        ),
    ),
    Attack(
        "An update activates or deactivates a component",
        attack_tests(
            _RUN, "test_what_was_approved_is_on_disk_and_as_active_as_before",
            _RUN, "test_an_inactive_plugin_stays_inactive",
            _PLACES, "test_a_plugin_active_on_a_whole_network_stays_so",
            _KINDS, "test_the_theme_visitors_see_is_updated_and_still_worn",
        ),
    ),
    Attack(
        "An update changes more than was approved, or leaves files behind",
        attack_tests(
            _RUN, "test_translations_nobody_approved_are_not_installed_beside_it",
            _RUN, "test_a_maintenance_page_of_somebody_else_stays",
            _CORE, "test_a_minor_release_is_installed_as_approved_and_nothing_else",
            _PLACES, "test_deleting_siteagent_takes_the_watchdog_and_the_copy_along",
        ),
    ),
    Attack(
        "Visitors' requests roll a security update back",
        attack_tests(
            _VISITORS, "test_a_list_where_a_text_belongs_undoes_no_security_release",
            _VISITORS, "test_hostile_requests_however_many_undo_nothing",
            _VISITORS, "test_memory_and_time_that_run_out_undo_nothing",
        ),
    ),
    Attack(
        "Cached code of the old version answers for a broken new one",
        attack_tests(
            _CACHE,
            "test_a_version_that_breaks_the_site_is_no_success_while_old_code_answers",
        ),
    ),
    Attack(
        "A second web server mistakes a running update for a dead one",
        attack_tests(
            _SERVERS, "test_a_server_that_does_not_see_the_lock_leaves_a_living_run_alone",
            _SERVERS,
            "test_a_run_that_was_restored_from_under_it_stops_and_leaves_the_old_version",
            _SERVERS, "test_a_lock_that_cannot_be_opened_does_not_mean_that_nobody_holds_it",
        ),
    ),
    Attack(
        "SiteAgent's stored option names a folder to delete or an object to instantiate",
        attack_tests(
            _LEFT, "test_a_marker_that_names_another_folder_deletes_nothing",
            _LEFT, "test_objects_in_the_option_stay_data",
        ),
    ),
    Attack(
        "A package comes over http or from another host, or a refused package stays on disk",
        attack_tests(
            _LEFT, "test_a_package_from_another_host_or_without_encryption_is_refused",
            _LEFT, "test_a_refused_package_is_removed_at_once",
            _LEFT,
            "test_the_maintenance_page_names_no_path_and_the_copy_holds_nothing_to_execute",
        ),
    ),
    Attack(
        "A SiteAgent package is not a newer release with the right signature: another key, "
        "version or plugin",
        attack_tests(
            _RELEASES,
            "test_a_release_signed_with_another_key_is_neither_offered_nor_installed",
            _RELEASES, "test_an_equal_or_older_release_is_neither_offered_nor_installed",
            _RELEASES,
            "test_a_plugin_of_the_same_name_at_wordpress_org_does_not_take_its_place",
            _RELEASES, "test_another_package_than_the_signed_one_is_not_installed",
        ),
    ),
    Attack(
        "A user who may not install updates permits the dashboard to install them",
        attack_tests(
            _GRANT, "test_who_may_not_install_updates_cannot_allow_them",
            _GRANT,
            "test_cannot_give_up_the_approval_here_of_what_they_may_not_install",
        ),
    ),
)  # fmt: skip
