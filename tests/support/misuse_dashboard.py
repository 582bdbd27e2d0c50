"""List the attacks on Aura itself: by sites, by users and through its database."""

from __future__ import annotations

from tests.support.attack import Attack, attack_tests

_EGRESS = "tests/unit/test_egress.py"
_CONNECTIONS = "tests/hostile/test_connections.py"
_REPLIES = "tests/hostile/test_replies.py"
_WEBHOOKS = "tests/domain/test_deliver_webhooks.py"
_SIZE = "tests/hostile/test_size_and_time.py"
_DIAGNOSTICS = "tests/hostile/diagnostics/test_obstacles.py"
_REDIRECTS = "tests/unit/test_redirects.py"
_HEADERS = "tests/web/test_security_headers.py"
_CLIENT = "tests/web/test_decide_as_client.py"
_SOME = "tests/web/test_see_only_some_clients.py"
_BELOW = "tests/web/test_manage_people_below.py"
_PROVIDER = "tests/web/test_sign_in_with_provider.py"
_TAMPERING = "tests/domain/test_audit_tampering.py"
_CHECKPOINTS = "tests/domain/test_checkpoints.py"
_EXPORT = "tests/domain/test_audit_export.py"
_EXPORT_TAMPERING = "tests/unit/verify_audit/test_tampering.py"
_HOSTILE_FILES = "tests/unit/verify_audit/test_hostile_files.py"
_REVOCATION = "tests/domain/test_revocation.py"
_INVENTORY = "tests/domain/test_inventory.py"
_GUARDS = "tests/web/test_every_route_is_guarded.py"
_FORGED = "tests/web/test_csrf.py"
_CODES = "tests/web/test_sign_in_with_code.py"
_FACTORS = "tests/web/test_manage_second_factor.py"
_PASSKEYS = "tests/web/test_use_passkey.py"

DASHBOARD = (
    Attack(
        "A site's address is internal: private, link-local or metadata, in any spelling or name "
        "(SSRF)",
        attack_tests(
            _EGRESS, "test_every_spelling_of_an_inward_address_is_refused",
            _EGRESS, "test_private_addresses_in_public_notation_are_refused",
            _EGRESS, "test_an_embedded_private_address_is_never_reachable",
            _EGRESS, "test_one_bad_address_among_good_ones_refuses_the_name",
            _EGRESS, "test_allowing_all_networks_does_not_include_this_machine",
            _EGRESS, "test_a_listed_private_network_allows_no_other",
            _EGRESS, "test_an_explicit_proxy_is_ignored",
            _CONNECTIONS, "test_a_private_address_is_refused_and_not_called",
        ),
    ),
    Attack(
        "A name resolves to a public address first and to a private one later (DNS rebinding)",
        attack_tests(_EGRESS, "test_a_name_is_resolved_once_and_that_answer_is_used"),
    ),
    Attack(
        "A URL is not plain http or https: file, gopher, with credentials or a line break",
        attack_tests(
            _EGRESS, "test_only_plain_http_addresses_pass",
            _EGRESS, "test_the_session_speaks_no_other_scheme",
            _CONNECTIONS, "test_an_address_that_is_not_plain_http_is_refused",
            "tests/web/test_values_read_well.py", "test_only_web_addresses_become_links",
        ),
    ),
    Attack(
        "A site redirects the signed request",
        attack_tests(
            _EGRESS, "test_redirects_are_never_followed",
            _REPLIES, "test_redirects_are_reported_and_never_followed",
            _REPLIES, "test_a_redirect_to_a_private_address_is_not_followed",
            _REPLIES, "test_a_signed_redirect_is_still_a_redirect",
            _REDIRECTS, "test_a_redirect_to_another_address_is_not_followed",
            _REDIRECTS, "test_a_redirect_back_to_http_is_not_followed",
        ),
    ),
    Attack(
        "A certificate is invalid: expired, for another name, self-signed or from an unknown "
        "authority",
        attack_tests(
            _CONNECTIONS, "test_an_expired_certificate_is_named_with_its_date",
            _CONNECTIONS, "test_a_certificate_for_another_name_is_named_with_its_names",
            _CONNECTIONS, "test_a_self_signed_certificate_is_invalid",
            _CONNECTIONS, "test_an_unknown_authority_is_invalid",
            _EGRESS, "test_certificate_name_and_host_header_are_the_typed_name",
            _EGRESS, "test_proxy_environment_variables_are_ignored",
        ),
        note="No setting, page or variable turns verification off.",
    ),
    Attack(
        "A cached page, a captcha, a login page or another page with status 200 replaces the "
        "answer",
        attack_tests(
            _REPLIES, "test_an_unsigned_answer_gets_its_name_and_evidence",
            _REPLIES, "test_a_replayed_reply_is_refused",
            _REPLIES, "test_a_reply_to_another_request_is_refused",
            _DIAGNOSTICS, "test_obstacles_before_a_paired_site_are_named",
            _DIAGNOSTICS, "test_an_imitation_of_siteagent_proves_nothing",
            _DIAGNOSTICS,
            "test_a_silent_cache_is_found_by_a_repeated_reply",
        ),
    ),
    Attack(
        "An answer is huge, slow, endless, a compression bomb or incomplete",
        attack_tests(
            _SIZE, "test_no_more_than_the_limit_is_read_of_fifty_megabytes",
            _SIZE, "test_an_endless_chunked_reply_is_cut_off_at_the_limit",
            _SIZE, "test_a_slow_body_is_cut_off_at_the_deadline",
            _SIZE, "test_slow_headers_are_cut_off_at_the_deadline",
            _SIZE, "test_endless_interim_answers_are_cut_at_the_deadline",
            _SIZE, "test_a_connection_closed_within_the_body_is_broken_off",
            _REPLIES, "test_a_gzip_bomb_is_not_unpacked",
            "tests/unit/test_bad_input.py", "test_a_report_nested_without_end_is_refused",
        ),
    ),
    Attack(
        "A name, author, URL or changelog contains markup, template code or text direction "
        "characters",
        attack_tests(
            "tests/web/test_see_site.py", "test_words_of_a_site_never_become_markup",
            "tests/web/test_activity_sentences.py",
            "test_no_fact_becomes_markup_or_template",
            "tests/web/test_read_changelog.py", "test_markup_in_a_changelog_is_escaped",
            "tests/web/test_read_changelog.py",
            "test_characters_that_reverse_or_hide_text_are_removed",
            "tests/web/test_tell_client.py",
            "test_hostile_names_stay_text_on_the_page_and_in_the_pdf",
            _HEADERS, "test_the_policy_allows_nothing_but_our_own_files",
            _INVENTORY,
            "test_control_and_direction_characters_are_removed_from_names",
        ),
    ),
    Attack(
        "A name contains a spreadsheet formula, or a line break for a log or for the header of an "
        "e-mail",
        attack_tests(
            _EXPORT, "test_a_table_holds_no_formula",
            _EXPORT, "test_a_formula_stays_text_in_a_spreadsheet",
            _REPLIES, "test_evidence_holds_no_control_or_direction_characters",
            _REPLIES, "test_the_actor_is_one_short_printable_line",
            "tests/domain/test_notify_people.py",
            "test_a_site_cannot_write_headers_links_or_markup",
            "tests/domain/test_deliver_email.py",
            "test_a_notification_arrives_with_text_and_html",
            "tests/web/test_set_up_email.py", "test_a_mistake_is_shown_beside_its_field",
        ),
    ),
    Attack(
        "A site's name mentions everyone in a chat, or becomes a link there",
        attack_tests(
            "tests/unit/test_webhook_formats.py",
            "test_a_name_cannot_mention_or_link_in_slack",
            "tests/unit/test_webhook_formats.py", "test_names_are_plain_text_in_a_teams_card",
            "tests/domain/test_tell_webhooks.py",
            "test_a_site_cannot_mention_people_or_write_links_in_a_chat",
        ),
    ),
    Attack(
        "A webhook leads into the private network, redirects, never answers or answers without end",
        attack_tests(
            _WEBHOOKS, "test_a_name_that_resolves_to_a_private_address_is_refused",
            _WEBHOOKS, "test_a_refused_message_waits_and_its_reply_is_logged_as_text",
            _WEBHOOKS, "test_a_message_without_a_reply_is_unknown_and_sent_again",
            _WEBHOOKS, "test_only_the_start_of_a_huge_or_endless_reply_is_read",
            _WEBHOOKS, "test_nothing_is_sent_to_a_server_whose_certificate_is_wrong",
        ),
    ),
    Attack(
        "The address of a webhook, which is a secret, appears in the log or where its receiver "
        "repeats it",
        attack_tests(
            _WEBHOOKS, "test_an_address_repeated_in_a_reply_is_hidden_in_the_log",
            _WEBHOOKS, "test_no_reply_makes_the_address_appear_in_the_log_of_a_worker",
        ),
    ),
    Attack(
        "A link for a new password is requested for other people, in bulk or for unknown addresses",
        attack_tests(
            "tests/web/test_reset_password.py",
            "test_the_answer_is_the_same_for_every_address",
            "tests/web/test_reset_password.py", "test_the_same_work_is_done_for_every_address",
            "tests/web/test_reset_password.py",
            "test_requests_are_limited_and_a_mailbox_is_not_filled",
            "tests/web/test_reset_password.py", "test_nothing_changes_until_the_link_is_used",
        ),
    ),
    Attack(
        "A browser that was left open sends the password of the mail server elsewhere",
        attack_tests(
            "tests/web/test_confirm_password.py",
            "test_a_browser_left_open_must_confirm_the_password",
            "tests/web/test_set_up_email.py",
            "test_the_password_is_kept_until_the_server_or_the_user_changes",
        ),
    ),
    Attack(
        "A site report contains what its manifest does not allow, or impossible values",
        attack_tests(
            _INVENTORY, "test_a_report_that_contradicts_the_manifest_is_refused",
            _INVENTORY, "test_a_report_with_a_wrong_digest_is_refused",
            _INVENTORY, "test_a_report_with_an_impossible_time_is_refused",
            "tests/unit/test_bad_input.py",
            "test_a_report_with_any_one_value_changed_is_stored_clean_or_refused",
            "tests/web/test_values_read_well.py",
            "test_timestamps_of_a_site_never_break_the_page",
        ),
    ),
    Attack(
        "Text from a site makes Aura reveal its own secrets",
        attack_tests(
            _REPLIES,
            "test_an_echoed_request_puts_no_secret_into_evidence",
            _REPLIES, "test_keys_are_not_in_the_text_of_a_channel_or_error",
        ),
    ),
    Attack(
        "A client user requests another client's site, change or entry by its number",
        attack_tests(
            _CLIENT, "test_everything_about_another_clients_site_is_not_found",
            _CLIENT, "test_a_client_user_sees_no_trace_of_other_clients",
            _CLIENT, "test_the_domain_refuses_another_clients_change",
            "tests/web/test_read_audit.py",
            "test_a_client_user_reads_their_own_entries_without_addresses",
            "tests/web/test_tell_client.py",
            "test_a_client_user_sees_only_their_own_report",
        ),
    ),
    Attack(
        "A person of the agency who sees some clients reaches another one by page, form or rule",
        attack_tests(
            _SOME, "test_no_page_shows_a_trace_of_another_client",
            _SOME, "test_every_page_is_the_same_as_if_the_other_client_did_not_exist",
            _SOME, "test_everything_of_another_client_is_not_found",
            _SOME, "test_forms_that_name_another_client_or_all_of_them_are_refused",
            _SOME, "test_a_rule_of_a_limited_manager_covers_only_her_clients",
            _SOME, "test_a_limited_manager_grants_no_more_than_she_sees",
            "tests/domain/test_act_as_they_are_now.py",
            "test_a_user_changes_nothing_of_clients_they_no_longer_see",
            "tests/domain/test_notify_people.py",
            "test_no_recovery_is_sent_for_a_site_that_a_person_no_longer_sees",
        ),
    ),
    Attack(
        "A manager makes herself or someone else as powerful as an owner",
        attack_tests(
            _BELOW, "test_a_manager_cannot_invite_owners_or_managers",
            _BELOW, "test_a_manager_cannot_change_owners_or_managers",
            _BELOW, "test_a_manager_cannot_promote_to_owner_or_manager",
            _BELOW, "test_a_manager_cannot_change_their_own_role_or_account",
        ),
    ),
    Attack(
        "An answer of the OpenID provider is forged, replayed, of another provider or about "
        "another person",
        attack_tests(
            _PROVIDER, "test_a_token_that_does_not_fit_starts_no_session",
            _PROVIDER, "test_a_token_that_the_provider_did_not_sign_starts_no_session",
            _PROVIDER, "test_an_answer_counts_once_and_in_one_browser",
            _PROVIDER, "test_an_answer_that_does_not_belong_here_starts_no_session",
            _PROVIDER, "test_an_answer_to_a_provider_that_was_replaced_does_not_count",
            _PROVIDER, "test_the_verifier_of_the_browser_is_needed",
            _PROVIDER, "test_a_reused_address_does_not_open_the_account",
            _PROVIDER, "test_another_person_at_the_provider_confirms_nothing",
        ),
    ),
    Attack(
        "Every page and every button is requested without sign-in, without permission or by "
        "another website",
        attack_tests(
            _GUARDS, "test_every_route_is_open_or_in_the_table",
            _GUARDS, "test_each_role_gets_what_the_table_says",
            _GUARDS, "test_a_visitor_is_sent_to_sign_in",
            _GUARDS, "test_a_route_without_a_guard_is_refused",
            _FORGED, "test_every_unsafe_route_needs_the_token",
            _FORGED, "test_every_unsafe_route_refuses_other_pages_even_with_the_token",
            _FORGED, "test_a_token_of_another_user_is_refused",
            _HEADERS, "test_another_host_name_gets_no_page",
            _HEADERS,
            "test_forwarded_headers_count_only_with_a_configured_proxy",
        ),
    ),
    Attack(
        "Entries of the audit log are edited, deleted, swapped, inserted, truncated or replaced",
        attack_tests(
            _TAMPERING, "test_a_change_outside_of_aura_is_found",
            _TAMPERING, "test_a_missing_entry_is_named",
            _TAMPERING, "test_two_swapped_entries_are_found",
            _TAMPERING, "test_an_inserted_entry_is_found",
            _TAMPERING,
            "test_a_checkpoint_reveals_a_rewritten_chain",
            _TAMPERING, "test_a_checkpoint_reveals_a_truncated_log",
            _TAMPERING, "test_a_checkpoint_reveals_a_truncated_log_that_grew_again",
            _TAMPERING, "test_a_checkpoint_reveals_a_chain_replaced_from_its_start",
            _TAMPERING, "test_a_changed_name_is_found",
        ),
    ),
    Attack(
        "An export is changed before it is verified, or an excerpt is presented as complete",
        attack_tests(
            _EXPORT, "test_no_byte_of_an_export_can_be_changed",
            _EXPORT, "test_an_export_of_a_changed_audit_log_names_the_entry",
            _EXPORT_TAMPERING, "test_no_byte_of_any_file_can_be_changed",
            _EXPORT_TAMPERING, "test_an_excerpt_is_not_taken_for_the_whole",
            _EXPORT_TAMPERING,
            "test_a_rewritten_log_contradicts_the_checkpoints_of_sites",
            _HOSTILE_FILES, "test_a_zip_bomb_is_refused_before_unpacking",
            _HOSTILE_FILES, "test_file_names_with_other_paths_are_refused",
        ),
    ),
    Attack(
        "Aura is restored from a backup from before a connection was revoked",
        attack_tests(
            _REVOCATION,
            "test_a_backup_of_aura_from_before_the_revocation_commands_nothing",
            _CHECKPOINTS, "test_a_site_refuses_an_audit_log_that_was_set_back",
            _CHECKPOINTS,
            "test_an_update_is_refused_with_its_own_code_meanwhile",
        ),
        note=(
            "A site that never received the revocation and was not called since the backup "
            "cannot detect it."
        ),
    ),
    Attack(
        "A password, an address or a form is so long that it slows Aura down for everyone",
        attack_tests(
            "tests/web/test_type_too_much.py",
            "test_four_hostile_sign_ins_at_once_hold_up_no_other_visitor",
        ),
    ),
    Attack(
        "A job written into Redis names other code, a callback or a webhook",
        attack_tests(
            "tests/jobs/test_refuse_foreign_jobs.py",
            "test_no_job_put_into_redis_runs_as_code",
        ),
    ),
    Attack(
        "A site claims to have seen an audit log that Aura never had",
        attack_tests(
            _CHECKPOINTS, "test_an_unproven_claim_is_an_alert_about_that_site_alone",
            _CHECKPOINTS, "test_a_refusal_without_proof_does_not_question_the_audit_log",
        ),
    ),
    Attack(
        "A site's log grows until Aura's disk is full",
        attack_tests(
            "tests/domain/test_site_log.py",
            "test_a_log_over_the_daily_limit_is_not_stored_and_quarantines_the_site",
            "tests/domain/test_site_log.py",
            "test_short_entries_count_with_the_size_of_a_whole_row",
            "tests/domain/test_site_log.py", "test_the_rest_of_a_long_log_is_read_after_a_pause",
        ),
    ),
    Attack(
        "A thief knows the password and guesses, repeats or gets around the second factor",
        attack_tests(
            _CODES, "test_the_password_alone_opens_nothing",
            _CODES, "test_a_code_is_accepted_once",
            _CODES, "test_guesses_are_slowed_down_and_the_owner_gets_in_again",
            _CODES, "test_a_link_for_a_new_password_is_not_enough",
            "tests/domain/test_use_code_once.py",
            "test_a_used_recovery_code_stays_used",
            "tests/web/test_require_second_factor.py",
            "test_a_person_with_a_factor_cannot_add_another_at_sign_in",
        ),
    ),
    Attack(
        "A thief has an open session, and the password as well, and adds or removes a factor",
        attack_tests(
            _FACTORS, "test_a_stolen_session_is_asked_for_the_factor",
            _FACTORS, "test_a_stolen_password_does_not_help_a_stolen_session",
            _FACTORS, "test_a_stolen_session_does_not_see_a_secret",
            _FACTORS, "test_the_password_is_not_changed_without_the_factor",
        ),
    ),
    Attack(
        "An answer of a passkey is from a false page, was recorded, altered or made by a copy",
        attack_tests(
            _PASSKEYS, "test_an_invalid_response_does_not_sign_in",
            _PASSKEYS, "test_a_response_works_once",
            _PASSKEYS, "test_a_challenge_for_another_purpose_does_not_sign_in",
            _PASSKEYS, "test_a_counter_that_goes_back_is_refused_and_recorded",
            _PASSKEYS, "test_an_invalid_passkey_is_not_added",
        ),
    ),
    Attack(
        "A request waits for the lock while its user is disabled or loses a role",
        attack_tests(
            "tests/domain/test_act_as_they_are_now.py",
            "test_a_user_disabled_meanwhile_changes_nothing",
            "tests/domain/test_act_as_they_are_now.py",
            "test_a_user_who_lost_the_role_meanwhile_changes_nothing",
        ),
    ),
    Attack(
        "A flood of refused requests hides the one that matters",
        attack_tests(
            "tests/domain/test_record_refusals.py",
            "test_a_viewer_who_is_refused_all_day_hides_no_other_refusals",
            "tests/domain/test_record_refusals.py",
            "test_many_addresses_fill_neither_the_log_nor_the_counters",
        ),
    ),
    Attack(
        "A site names an address on another server to get signed requests or a password there",
        attack_tests(
            "tests/domain/test_call_only_the_site.py",
            "test_endpoints_on_another_server_are_not_stored_at_pairing",
            "tests/domain/test_call_only_the_site.py",
            "test_a_move_to_another_server_removes_the_password",
        ),
    ),
    Attack(
        "A site is restored from before its revocation",
        attack_tests(
            "tests/domain/test_recheck_revoked_site.py",
            "test_a_restored_site_is_revoked_again_and_raises_an_alert",
            "tests/domain/test_recheck_revoked_site.py",
            "test_the_secret_that_is_kept_can_only_disconnect",
        ),
    ),
)  # fmt: skip
