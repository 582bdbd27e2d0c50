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
            _REFUSED, "test_a_signed_plan_without_permission_is_refused",
            _REFUSED, "test_no_operation_changes_the_permissions",
            _ALLOWED, "test_at_first_nothing_is_allowed_and_the_screen_says_so",
            _ALLOWED, "test_a_revoked_permission_is_refused_from_the_next_request",
            _ALLOWED, "test_only_an_administrator_grants_permissions",
            _ALLOWED, "test_a_form_with_a_wrong_nonce_grants_nothing",
        ),
    ),
    Attack(
        "A dashboard that was taken over has an old version put back that is not that of an "
        "update it has just made",
        attack_tests(
            _REVERT, "test_an_update_that_was_never_made_is_not_reverted",
            _REVERT, "test_a_refused_revert_has_a_reason",
            _REVERT, "test_a_version_that_was_installed_later_is_not_reverted",
            _REVERT, "test_an_expired_plan_reverts_nothing",
        ),
    ),
    Attack(
        "A dashboard that signs everything correctly ignores the owner's pause and limits",
        attack_tests(
            _PAUSED, "test_the_pause_button_stops_a_signed_approved_plan",
            _PAUSED, "test_a_pause_stops_an_update_that_has_not_replaced_files_yet",
            _PAUSED, "test_a_pause_in_wp_config_cannot_be_resumed_elsewhere",
            _PAUSED, "test_no_plan_or_operation_of_a_dashboard_ends_a_pause",
            _PAUSED, "test_a_new_pairing_does_not_end_a_pause",
            _PAUSED, "test_only_an_administrator_pauses_or_resumes",
            _PAUSED, "test_a_form_with_a_wrong_nonce_resumes_nothing",
            _HOURS, "test_outside_of_the_owners_hours_a_signed_plan_is_refused",
            _EXCLUDED, "test_an_excluded_plugin_is_refused_and_reported",
            _EXCLUDED, "test_only_patch_releases_are_installed",
            _EXCLUDED, "test_code_on_the_site_can_only_be_stricter",
            _AGE, "test_a_plan_with_a_false_release_age_is_refused",
            _AGE, "test_a_release_that_the_site_has_never_seen_is_refused",
            _AGE, "test_an_age_limit_stops_an_update_that_has_not_replaced_files",
        ),
    ),
    Attack(
        "A harmful release is installed everywhere before anyone has noticed",
        attack_tests(
            _REST, "test_no_schedule_releases_a_second_early",
            _REST, "test_a_later_date_on_wordpress_org_counts",
            _REST, "test_a_rule_approves_no_withdrawn_release",
            _REST, "test_a_rule_skips_a_plugin_closed_on_wordpress_org",
        ),
    ),
    Attack(
        "WordPress itself is updated with the permission for something else",
        attack_tests(
            _REFUSED, "test_minor_and_major_releases_need_separate_permissions",
            _KINDS, "test_a_plugin_needs_its_own_permission",
            _CORE, "test_a_major_release_is_installed_under_a_permission_of_its_own",
        ),
    ),
    Attack(
        "One person proposes and approves where two are required: by page, by race or with a new "
        "role",
        attack_tests(
            _CHANGES, "test_with_four_eyes_the_proposer_cannot_approve",
            _CHANGES, "test_four_eyes_set_after_the_proposal_apply",
            _CHANGES, "test_an_approver_who_lost_the_role_meanwhile_is_refused",
            _PAGES, "test_the_proposer_gets_no_button_under_four_eyes_approval",
            _RACES, "test_a_proposer_never_approves_where_two_people_are_required",
            _RACES, "test_a_change_is_approved_by_one_person",
            _RULES, "test_with_four_eyes_a_rule_needs_a_second_person",
        ),
    ),
    Attack(
        "An approval is used after the version, the site, its keys or its report changed",
        attack_tests(
            _CHANGES, "test_an_approval_is_refused_when_the_site_has_changed",
            _DRY_RUN, "test_new_keys_meanwhile_end_the_proposal",
            _CARRIED, "test_a_change_of_the_site_since_the_approval_cancels_the_update",
            _CARRIED, "test_an_approved_row_that_was_changed_is_not_sent",
            _REFUSED, "test_a_plan_for_another_address_is_refused",
            _REFUSED, "test_another_wordpress_or_php_version_than_approved_is_refused",
            _BROWSER, "test_a_version_changed_after_approval_is_refused",
        ),
    ),
    Attack(
        "An approval is used twice, too late, or after it was cancelled in the queue",
        attack_tests(
            _REFUSED, "test_a_plan_that_has_expired_or_is_not_due_is_refused",
            _REFUSED, "test_a_refusal_stays_the_result_of_its_op_id",
            _RUN, "test_a_repeated_change_gets_the_first_result",
            _CHANGES, "test_an_approved_update_can_be_cancelled_until_it_starts",
            _CHANGES, "test_an_undecided_update_expires",
            _RACES, "test_a_change_is_approved_or_cancelled_at_the_same_moment",
        ),
    ),
    Attack(
        "The version differs from the approved one: installed, available or inside the package",
        attack_tests(
            _REFUSED, "test_a_missing_plugin_or_another_version_is_refused",
            _REFUSED, "test_a_newer_available_version_than_approved_is_refused",
            _REFUSED, "test_a_package_whose_header_says_another_version",
            _REFUSED, "test_a_package_that_would_replace_another_plugin",
            _REFUSED, "test_a_package_of_other_bytes_than_approved",
            _REFUSED, "test_a_package_from_another_host_than_approved",
            _KINDS, "test_a_theme_package_with_another_name_or_version_is_refused",
            _KINDS, "test_a_translation_package_with_another_revision_is_refused",
        ),
    ),
    Attack(
        "A release that everyone gets brings a backdoor, or a package is made to harm the program "
        "that compares it",
        attack_tests(
            _BROUGHT, "test_the_attack_of_april_2026_is_reported",
            _BROUGHT, "test_many_minor_findings_do_not_hide_a_serious_one",
            _BROUGHT, "test_a_comparison_ends_at_its_deadline_and_is_incomplete",
            _COMPARED, "test_a_rule_leaves_a_release_with_a_core_file_to_a_person",
            _COMPARED, "test_a_rule_waits_for_a_person_if_the_comparison_fails",
            _LOOK, "test_hostile_code_is_inspected_in_seconds",
            _CARD, "test_the_content_of_a_file_is_shown_as_text",
            _CARD, "test_a_name_that_reverses_text_is_spelled_out_and_found",
        ),
    ),
    Attack(
        "The general update operation replaces SiteAgent, or SiteAgent's own operation replaces "
        "something else",
        attack_tests(
            _REFUSED, "test_siteagent_does_not_change_itself",
            _AGENT, "test_change_run_refuses_to_update_siteagent",
            _AGENT, "test_agent_update_refuses_other_components",
            _AGENT, "test_change_run_refuses_a_plan_for_agent_update",
            _UPDATE, "test_it_cannot_be_proposed_as_a_plugin",
        ),
    ),
    Attack(
        "SiteAgent is updated without permission, from another package, or where no rollback is "
        "possible",
        attack_tests(
            _AGENT, "test_updating_siteagent_needs_its_own_permission",
            _AGENT, "test_a_package_with_another_version_changes_nothing",
            _AGENT, "test_a_version_with_another_data_format_changes_nothing",
            _AGENT, "test_data_of_a_newer_version_is_neither_used_nor_lost",
            _UPDATE, "test_siteagent_is_not_proposed_without_the_owners_permission",
            _UPDATE, "test_a_rule_covers_siteagent_only_by_its_own_permission",
        ),
    ),
    Attack(
        "Files must not change: file changes are off, version control, FTP credentials, a full "
        "disk or no write access",
        attack_tests(
            _REFUSED, "test_file_modifications_switched_off_are_respected",
            _REFUSED, "test_a_folder_under_version_control_is_refused",
            _REFUSED, "test_a_site_that_writes_files_over_ftp_or_ssh_is_refused",
            _REFUSED, "test_a_read_only_file_or_folder_is_refused",
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
            "test_an_upgrade_that_was_not_approved_is_refused",
            "tests/domain/test_upgrade_database.py", "test_no_auto_update_rule_covers_the_upgrade",
        ),
    ),
    Attack(
        "A kept copy of a former version is altered, replaced or fetched, or restored by someone "
        "who may not",
        attack_tests(
            _RESTORE, "test_a_copy_with_one_byte_changed_is_not_restored",
            _RESTORE, "test_an_archive_with_foreign_paths_or_links_is_not_restored",
            _RESTORE, "test_a_missing_copy_is_not_offered",
            _RESTORE, "test_an_update_keeps_an_inaccessible_copy_of_the_former_version",
            _RESTORE, "test_a_user_who_may_not_update_plugins_cannot_restore",
            "tests/domain/test_record_restored_versions.py",
            "test_a_hostile_site_cannot_fill_the_audit_log",
        ),
    ),
    Attack(
        "A thief has the site's half of the keys, or writes to the queue or the database",
        attack_tests(
            _REFUSED, "test_the_keys_of_the_connection_alone_change_nothing",
            _REFUSED, "test_a_plan_of_another_signer_or_connection_is_invalid",
            _CARRIED, "test_a_job_for_an_unapproved_change_does_nothing",
            _CARRIED, "test_a_row_forged_to_look_approved_is_not_sent",
        ),
    ),
)  # fmt: skip

EXECUTION = (
    Attack(
        "The new version causes a fatal error: on load, on the front page or later",
        attack_tests(
            _RUN, "test_a_version_that_breaks_the_site_is_rolled_back",
            _RUN, "test_without_a_loopback_the_first_visitor_triggers_the_rollback",
            _KINDS, "test_a_theme_that_breaks_pages_is_rolled_back",
            _KINDS, "test_a_translation_that_breaks_pages_is_rolled_back",
            _CUT, "test_a_fatal_error_of_another_plugin_rolls_nothing_back",
            _BROWSER, "test_a_version_that_breaks_the_site_is_rolled_back",
        ),
    ),
    Attack(
        "The new SiteAgent breaks, does not answer or answers under another name, and the "
        "connection is lost",
        attack_tests(
            _AGENT, "test_a_version_that_does_not_answer_is_rolled_back",
            _AGENT, "test_without_loopback_a_visit_rolls_a_silent_version_back",
            _AGENT,
            "test_without_loopback_the_dashboards_request_confirms_the_update",
            _UPDATE,
            "test_a_connection_lost_with_the_new_version_reports_its_rollback",
        ),
    ),
    Attack(
        "The process is killed during an update",
        attack_tests(
            _AGENT, "test_a_killed_update_is_rolled_back",
            _KINDS, "test_a_translation_is_rolled_back_when_its_process_is_killed",
            _CUT, "test_a_run_that_dies_before_its_lock_ends_at_its_deadline",
            _CUT, "test_a_killed_run_is_rolled_back_by_the_next_request",
            _CUT, "test_a_run_killed_before_it_changes_files_is_reported_as_failed",
            _CUT, "test_a_run_with_an_exception_of_another_plugin_is_rolled_back",
            _PLACES,
            "test_without_a_watchdog_the_pre_check_warns_and_rollback_works",
            _LOST, "test_a_worker_killed_at_any_moment_leaves_the_true_outcome",
        ),
    ),
    Attack(
        "Two updates start at once on one site",
        attack_tests(
            _RUN, "test_eight_requests_with_one_op_id_install_once",
            _RUN, "test_a_second_change_at_the_same_time_is_refused_as_busy",
            _RUN, "test_a_change_is_busy_during_a_wordpress_auto_update",
            _ITSELF, "test_the_report_says_what_wordpress_would_do",
            _CUT, "test_a_run_that_has_no_lock_yet_counts_as_alive",
            _RACES, "test_one_of_two_changes_of_a_site_is_started",
            _RACES, "test_a_change_is_started_by_one_worker",
        ),
    ),
    Attack(
        "The answer is lost while the site continues",
        attack_tests(
            _CUT, "test_a_run_goes_on_when_the_dashboard_hangs_up",
            _LOST, "test_a_lost_reply_is_unknown_and_settled_later",
            _LOST, "test_an_answer_without_a_valid_signature_is_unknown",
            _LOST, "test_a_site_s_denial_counts_only_once_the_request_has_expired",
            _LOST, "test_a_site_whose_clock_is_slow_may_receive_the_request_for_longer",
            _LOST,
            "test_a_worker_delayed_before_its_request_sends_nothing_valid",
            _SIGNED, "test_a_call_is_signed_with_its_recorded_time",
            _CUT,
            "test_a_change_delayed_inside_the_site_expires",
            "tests/unit/test_chaos.py",
            "test_recorded_results_match_what_happened",
            "tests/jobs/test_real_chaos.py",
            "test_recorded_outcomes_match_reality_after_real_crashes",
        ),
    ),
    Attack(
        "The upgrader reports success without one, or returns false, nothing or a list of errors",
        attack_tests(
            _RUN, "test_an_unchanged_version_fails_whatever_the_upgrader_returns",
            _RUN, "test_a_working_version_succeeds_despite_upgrader_errors",
            _OUTCOMES, "test_a_success_without_its_evidence_is_unknown",
            _OUTCOMES, "test_a_success_with_a_broken_website_is_a_failure",
        ),
    ),
    Attack(
        "An update activates or deactivates a component",
        attack_tests(
            _RUN, "test_the_approved_version_is_installed_and_stays_active",
            _RUN, "test_an_inactive_plugin_stays_inactive",
            _PLACES, "test_a_network_active_plugin_stays_active",
            _KINDS, "test_the_active_theme_is_updated_and_stays_active",
        ),
    ),
    Attack(
        "An update changes more than was approved, or leaves files behind",
        attack_tests(
            _RUN, "test_unapproved_translations_are_not_installed",
            _RUN, "test_a_maintenance_file_of_another_program_stays",
            _CORE, "test_a_minor_release_is_installed_as_approved_and_nothing_else",
            _PLACES, "test_deleting_siteagent_removes_the_watchdog_and_the_copy",
        ),
    ),
    Attack(
        "Visitors' requests roll a security update back",
        attack_tests(
            _VISITORS, "test_a_list_for_a_text_parameter_does_not_undo_an_update",
            _VISITORS, "test_hostile_requests_however_many_undo_nothing",
            _VISITORS, "test_memory_and_time_that_run_out_undo_nothing",
        ),
    ),
    Attack(
        "Cached code of the old version answers for a broken new one",
        attack_tests(
            _CACHE,
            "test_a_broken_version_is_rolled_back_while_cached_code_runs",
        ),
    ),
    Attack(
        "A second web server mistakes a running update for a dead one",
        attack_tests(
            _SERVERS, "test_a_server_that_cannot_see_the_lock_does_not_restore_a_live_run",
            _SERVERS,
            "test_a_run_whose_files_were_restored_stops",
            _SERVERS, "test_a_run_whose_lock_cannot_be_opened_counts_as_alive",
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
            "test_the_maintenance_page_has_no_path_and_the_copy_no_php_files",
        ),
    ),
    Attack(
        "A SiteAgent package is not a newer release with the right signature: another key, "
        "version or plugin",
        attack_tests(
            _RELEASES,
            "test_a_release_signed_with_another_key_is_refused",
            _RELEASES, "test_an_equal_or_older_release_is_refused",
            _RELEASES,
            "test_a_plugin_of_the_same_name_at_wordpress_org_is_refused",
            _RELEASES, "test_a_package_that_differs_from_the_signed_one_is_refused",
        ),
    ),
    Attack(
        "A user who may not install updates permits the dashboard to install them",
        attack_tests(
            _GRANT, "test_a_user_who_may_not_install_updates_cannot_allow_them",
            _GRANT,
            "test_a_user_who_may_not_install_updates_cannot_turn_off_approval",
        ),
    ),
)  # fmt: skip
