"""List every known attack on Aura and SiteAgent, with the tests that try it.

`python -m tests.support.misuse` prints docs/MISUSE.md. tests/repository/test_misuse.py checks that
the page matches this list and that each named test exists.
"""

from __future__ import annotations

import textwrap

from tests.support.attack import Attack, attack_tests
from tests.support.misuse_changes import AUTHORITY, EXECUTION
from tests.support.misuse_dashboard import DASHBOARD
from tests.support.misuse_releases import RELEASES

_GATE = "tests/plugin/test_gate.py"
_REQUESTS = "tests/plugin/test_misuse_requests.py"
_CONTRACT = "tests/plugin/test_contract.py"
_PROTOCOL = "tests/unit/test_protocol.py"
_ADMIN = "tests/plugin/test_admin.py"
_TOKENS = "tests/plugin/test_misuse_pairing.py"
_PAIRING = "tests/domain/test_pairing.py"
_INTERRUPTED = "tests/domain/test_pairing_interrupted.py"
_NOTICES = "tests/domain/test_notices.py"
_LIFE = "tests/plugin/test_misuse_life_cycle.py"
_NETWORK = "tests/plugin/test_multisite.py"
_ROTATION = "tests/plugin/test_rotation.py"
_RENEWAL = "tests/domain/test_rotation.py"
_REVOCATION = "tests/domain/test_revocation.py"
_COPIES = "tests/domain/test_quarantine.py"
_MOVES = "tests/e2e/test_copies_and_moves.py"
_BROWSER = "tests/e2e/test_life_cycle.py"
_LIGHT = "tests/e2e/test_onboarding.py"


REQUESTS = (
    Attack(
        "A header is missing, empty, duplicated or longer than the limit",
        attack_tests(
            _GATE, "test_missing_empty_and_doubled_headers_are_turned_away",
            _GATE, "test_an_oversized_header_is_turned_away",
            _GATE, "test_an_oversized_body_is_turned_away_unread",
            _PROTOCOL, "test_a_header_in_two_spellings_is_refused",
        ),
    ),
    Attack(
        "The key id is unknown, or the MAC was made with another key",
        attack_tests(_GATE, "test_unknown_key_wrong_mac_and_no_signature_get_the_same_bytes"),
    ),
    Attack(
        "A value is absent, null or a list where a string is expected: in headers, query, body "
        "and forms",
        attack_tests(
            _REQUESTS, "test_a_signature_parameter_of_a_wrong_type_is_refused",
            _REQUESTS, "test_a_list_for_the_route_is_not_answered",
            _REQUESTS, "test_a_list_for_the_ajax_action_is_not_answered",
            _REQUESTS, "test_a_rotation_with_an_invalid_argument_is_refused",
            _REQUESTS, "test_a_revocation_with_an_invalid_argument_is_refused",
            _REQUESTS, "test_a_list_for_a_pasted_token_is_refused",
            _REQUESTS, "test_a_list_for_the_replace_checkbox_replaces_nothing",
            _GATE, "test_an_argument_of_another_kind_is_refused",
            _GATE, "test_a_wrong_envelope_is_refused",
            _GATE, "test_a_body_that_is_no_document_is_refused",
            _GATE, "test_an_operation_that_is_not_on_the_list_is_refused",
        ),
    ),
    Attack(
        "One byte of the body, digest, URL or status is changed",
        attack_tests(
            _GATE, "test_a_changed_byte_is_reported_exactly",
            _REQUESTS, "test_a_request_with_another_digest_is_unauthorized",
            _REQUESTS, "test_a_response_with_a_changed_status_fails_verification",
            _CONTRACT, "test_any_altered_byte_of_a_request_is_refused",
            _CONTRACT, "test_any_altered_byte_of_a_reply_is_refused",
            _PROTOCOL, "test_one_other_character_in_the_address_is_refused",
        ),
    ),
    Attack(
        "A request for one site is sent to another site",
        attack_tests(
            _GATE, "test_a_request_for_another_site_is_turned_away",
            _NETWORK, "test_a_request_for_one_site_is_unauthorized_on_another",
            _NETWORK, "test_a_network_answers_only_at_the_addresses_of_its_main_site",
        ),
    ),
    Attack(
        "A message is reflected to its sender",
        attack_tests(
            _GATE, "test_a_message_reflected_in_the_other_direction_is_turned_away",
            _PROTOCOL, "test_a_request_is_not_a_reply_to_itself",
        ),
    ),
    Attack(
        "A timestamp is too early, too late, negative, fractional, huge or in milliseconds",
        attack_tests(
            _GATE, "test_a_wrong_clock_is_reported_with_the_sites_time",
            _GATE, "test_an_impossible_moment_is_turned_away",
            _REQUESTS, "test_a_clock_within_the_allowed_skew_is_accepted",
            _PROTOCOL, "test_a_late_request_gets_a_signed_refusal",
        ),
    ),
    Attack(
        "A request is replayed, later or at the same time",
        attack_tests(
            _GATE, "test_the_same_request_again_is_refused",
            _GATE, "test_only_one_of_eight_identical_requests_is_answered",
            _NOTICES, "test_the_same_notice_again_is_refused",
        ),
    ),
    Attack(
        "An unknown caller uses up the nonce of a later request",
        attack_tests(
            _GATE, "test_an_invalid_signature_burns_no_nonce",
            _GATE, "test_rejected_requests_cannot_fill_the_table_or_the_log",
        ),
    ),
    Attack(
        "A request is replayed after the nonce store was pruned, flushed or lost",
        attack_tests(
            _GATE, "test_a_replay_is_refused_after_clearing_and_flushing",
            _GATE, "test_a_request_needs_the_nonce_table_which_is_created_if_missing",
            _REQUESTS, "test_a_replay_is_refused_after_its_nonce_was_deleted",
        ),
    ),
    Attack(
        "A request names an older protocol version or another algorithm (downgrade)",
        attack_tests(_GATE, "test_a_swapped_algorithm_or_another_version_is_turned_away"),
    ),
    Attack(
        "An administrator's cookie with a valid REST nonce calls what needs a signature",
        attack_tests(
            _GATE, "test_an_administrators_cookie_alone_gives_no_access",
            _REQUESTS, "test_a_visitor_or_colleague_gets_nothing_from_the_route",
        ),
    ),
    Attack(
        "A REST route is open: every route of the plugin, by its permission callback",
        attack_tests(
            _GATE, "test_every_route_of_the_plugin_requires_authentication",
            _GATE, "test_other_methods_give_no_access",
            _GATE, "test_a_query_beside_the_route_is_turned_away",
            _GATE, "test_an_overridden_method_is_turned_away",
            _GATE, "test_a_route_named_in_the_body_gives_no_access",
        ),
    ),
    Attack(
        "A visitor, subscriber, contributor, author or editor tries every screen, form, AJAX "
        "action, Heartbeat and REST route",
        attack_tests(
            _ADMIN, "test_only_an_administrator_sees_the_screen",
            _ADMIN, "test_only_an_administrator_can_send_a_form",
            _ADMIN, "test_a_visitor_cannot_send_a_form",
            _GATE, "test_nothing_of_the_plugin_answers_to_ajax_or_heartbeat",
            _REQUESTS, "test_a_visitor_or_colleague_gets_nothing_from_ajax",
            _REQUESTS, "test_a_heartbeat_carries_nothing_of_the_plugin",
            _REQUESTS, "test_the_rest_api_does_not_reveal_the_connection",
            _NETWORK, "test_only_a_network_administrator_may_connect_the_network",
        ),
    ),
    Attack(
        "Another website submits a form in an administrator's browser (CSRF)",
        attack_tests(
            _ADMIN, "test_a_form_without_this_persons_nonce_does_nothing",
            _ADMIN, "test_a_link_cannot_send_a_form",
            _REQUESTS, "test_every_form_is_covered_by_the_attacks",
            "tests/web/test_csrf.py", "test_every_unsafe_route_needs_the_token",
        ),
    ),
    Attack(
        "A secret is read from a log, an error, the Site Health export, a transient, a page, "
        "autoloaded options or the database",
        attack_tests(
            _REQUESTS, "test_no_secret_appears_on_a_page_in_a_log_or_in_the_database",
            _REQUESTS, "test_no_secret_appears_in_the_site_health_export",
            _REQUESTS, "test_no_secret_is_loaded_with_the_options_or_kept_in_a_transient",
            _REQUESTS, "test_no_refusal_contains_a_secret",
            _REQUESTS, "test_a_secret_that_leaks_is_found",
            _ADMIN, "test_a_valid_token_is_never_shown_again",
            _ADMIN, "test_a_pasted_token_is_not_stored_in_plain_text",
        ),
    ),
)  # fmt: skip

PAIRING = (
    Attack(
        "A token is used twice, after it expired or after it was cancelled",
        attack_tests(
            _TOKENS, "test_a_used_token_is_refused",
            _TOKENS, "test_an_expired_token_is_refused_as_expired",
            _TOKENS, "test_a_cancelled_token_is_refused",
            _PAIRING, "test_token_expires_after_thirty_minutes",
            _PAIRING, "test_second_use_of_a_token_is_refused",
            _PAIRING, "test_cancelled_token_pairs_nothing",
            _NOTICES, "test_a_late_paste_gets_the_exact_reason",
        ),
    ),
    Attack(
        "The secret of a token is guessed, or a known token gets hello requests again and again",
        attack_tests(
            _TOKENS, "test_wrong_secrets_are_refused_and_do_not_use_up_the_token",
            _TOKENS, "test_a_token_is_closed_after_ten_hellos",
            _PAIRING, "test_a_site_that_has_received_too_many_hellos_closes_the_token",
        ),
    ),
    Attack(
        "A token for one site is pasted on another site",
        attack_tests(
            _TOKENS, "test_a_token_for_another_site_is_refused",
            _TOKENS, "test_a_hello_for_another_address_is_refused",
            _PAIRING, "test_a_site_with_the_token_of_another_site_is_never_called",
            _PAIRING, "test_a_reply_from_another_address_fails_and_shows_both_addresses",
            _NETWORK, "test_a_token_pasted_on_one_site_is_not_shown_on_another",
        ),
    ),
    Attack(
        "The site fails in the middle of a pairing, and the new dashboard reads older entries",
        attack_tests(
            _TOKENS,
            "test_a_connection_that_could_not_be_logged_is_logged_on_retry",
        ),
    ),
    Attack(
        "A connected site is paired again without its administrator",
        attack_tests(
            _TOKENS, "test_a_connected_site_accepts_no_token_without_its_administrator",
            _ADMIN, "test_a_connection_is_replaced_only_if_the_box_is_checked",
            _PAIRING, "test_a_connected_site_gets_no_token",
        ),
    ),
    Attack(
        "Two dashboards have the same token",
        attack_tests(
            _TOKENS,
            "test_of_two_dashboards_with_one_token_only_the_later_connects",
            _INTERRUPTED, "test_an_unconfirmed_exchange_fails_with_its_reason",
        ),
    ),
    Attack(
        "A dashboard knows the id of a token but not its secret, or is not the one that was "
        "accepted",
        attack_tests(
            _TOKENS, "test_an_impostor_without_the_token_secret_is_unauthorized",
            _TOKENS, "test_a_dashboard_the_administrator_did_not_see_is_refused",
            _TOKENS, "test_a_token_alone_reads_nothing",
            _TOKENS, "test_pairing_creates_no_user_and_no_session",
        ),
    ),
    Attack(
        "A change is made over plain http",
        attack_tests(
            "tests/plugin/test_operations.py",
            "test_only_these_operations_change_the_site",
            _ROTATION, "test_the_connection_keys_alone_cannot_rotate_keys",
            _ADMIN, "test_a_dashboard_without_https_is_pointed_out",
        ),
        note="The dashboard signs each plan with a key that an eavesdropper does not have. The "
        "site runs a plan once and downloads the package from WordPress's own source. Without TLS "
        "an attacker can read and delay a plan, but not alter, repeat or forge it. Key "
        "agreement reveals no keys either. Plain http does expose the site report and the plan; "
        "wp-admin says so before pairing.",
    ),
    Attack(
        "A user who is not an administrator pastes a token",
        attack_tests(
            _ADMIN, "test_only_an_administrator_can_send_a_form",
            _ADMIN, "test_another_session_of_the_same_account_does_not_see_the_token",
            _NETWORK, "test_only_a_network_administrator_may_connect_the_network",
        ),
    ),
)  # fmt: skip

LIFE_CYCLE = (
    Attack(
        "A revoked key is used: the site refuses it at once, and Aura checks and records the "
        "refusal",
        attack_tests(
            _REVOCATION, "test_an_acknowledged_and_refused_probe_confirms_the_revocation",
            _REVOCATION, "test_a_site_whose_old_key_still_works_is_not_proven",
            _LIGHT, "test_a_site_is_paired_read_and_revoked_with_one_click",
            _GATE, "test_a_thief_with_the_old_keys_is_refused_after_disconnecting",
        ),
    ),
    Attack(
        "The site is unreachable during revocation: Aura never reports success too early",
        attack_tests(
            _BROWSER,
            "test_revoking_an_unreachable_site_stays_unconfirmed",
            _REVOCATION, "test_an_unreachable_site_leaves_no_key_that_could_command_it",
            _REVOCATION, "test_retries_end_after_ninety_days_without_a_confirmation",
        ),
    ),
    Attack(
        "The plugin is deactivated: it does not answer and keeps its keys",
        attack_tests(
            _LIFE, "test_a_deactivated_plugin_does_not_answer_and_keeps_its_keys",
            _NETWORK, "test_a_deactivated_network_does_not_answer",
            _BROWSER, "test_a_reactivated_plugin_needs_no_new_pairing",
        ),
    ),
    Attack(
        "The plugin is deleted: it leaves nothing behind, on a network of sites either",
        attack_tests(
            "tests/plugin/test_uninstall.py",
            "test_uninstalling_removes_only_siteagents_data",
            _NETWORK, "test_uninstalling_on_a_network_notifies_the_dashboard",
            _NETWORK, "test_uninstalling_notifies_the_dashboard_of_every_site",
            _NETWORK, "test_deleting_a_site_drops_its_tables",
        ),
        note="This includes the watchdog and the kept copy of a running update.",
    ),
    Attack(
        "A copy of the site, or a backup of its database, answers or sends notices in its place",
        attack_tests(
            _MOVES, "test_a_copy_that_claims_to_be_the_site_loses_its_keys",
            _MOVES, "test_a_restored_backup_is_noticed_and_accepted",
            _COPIES, "test_two_copies_that_answer_in_turn_are_noticed",
            _ROTATION, "test_a_restored_backup_does_not_know_the_newer_head",
            _LIFE, "test_a_copy_that_disconnects_sends_no_notice",
        ),
    ),
    Attack(
        "A database is copied without the secret keys of its wp-config.php, or those keys change",
        attack_tests(
            _LIFE, "test_a_database_without_its_salts_cannot_decrypt_the_keys",
            _LIFE, "test_new_salts_make_the_keys_unreadable_and_wp_admin_shows_it",
        ),
    ),
    Attack(
        "A thief has a full copy of the site and a recording of every message",
        attack_tests(
            _LIFE, "test_a_thief_with_a_full_copy_and_every_message_changes_nothing",
            _LIFE, "test_after_new_keys_the_thief_cannot_even_read",
            _ROTATION, "test_a_recorded_rotation_is_refused_under_the_new_keys",
            _NOTICES, "test_disconnect_with_its_proof_disconnects_the_site",
        ),
        note="Until the keys are renewed, the thief can read the site report and can send the "
        "dashboard notices that the site disconnected or moved (docs/SECURITY.md). On the site, "
        "only its log changes.",
    ),
    Attack(
        "The site's address changes: https, www., domain, port or folder",
        attack_tests(
            _LIFE, "test_a_changed_scheme_or_www_keeps_the_connection",
            _LIFE, "test_a_site_that_moved_to_https_needs_no_new_pairing",
            _LIFE, "test_a_changed_domain_port_or_folder_allows_only_revocation",
            "tests/unit/test_redirects.py",
            "test_a_site_that_went_to_https_is_called_there_from_now_on",
            "tests/unit/test_redirects.py", "test_a_redirect_to_another_address_is_not_followed",
            _MOVES, "test_a_site_that_moved_is_followed_with_new_keys",
            _COPIES, "test_an_unauthenticated_caller_cannot_announce_a_move",
            _NETWORK, "test_only_a_network_administrator_sees_that_the_network_moved",
        ),
    ),
    Attack(
        "Old keys are used after a rotation, or a rotation is interrupted",
        attack_tests(
            _ROTATION, "test_both_generations_work_until_the_next_is_used",
            _ROTATION, "test_an_unconfirmed_generation_is_replaced_by_a_later_one",
            _ROTATION, "test_a_repeated_plan_gets_the_same_answer",
            _ROTATION, "test_only_the_new_revocation_secret_is_accepted",
            _RENEWAL, "test_the_next_attempt_recovers_from_a_lost_call_or_reply",
            _RENEWAL, "test_a_worker_that_dies_leaves_keys_that_work",
            _MOVES, "test_one_button_renews_the_keys",
        ),
    ),
)  # fmt: skip

SECTIONS = {
    "Requests to a site": REQUESTS,
    "Pairing": PAIRING,
    "Life cycle": LIFE_CYCLE,
    "Permissions and approval": AUTHORITY,
    "Running updates": EXECUTION,
    "Releases": RELEASES,
    "Aura": DASHBOARD,
}

_HEAD = """# Misuse

What an attacker may try against Aura, a site and the network between them, and the tests that try
it. Tests in `tests/plugin` and `tests/e2e` attack the real plugin, most of them inside the oldest
and the newest supported WordPress. The others attack Aura. `python -m tests.support.misuse` prints
this page, and a test keeps it up to date.
"""


def page() -> str:
    """Return the text of docs/MISUSE.md."""
    parts = [_HEAD]
    for title, attacks in SECTIONS.items():
        parts.append(f"\n## {title}\n")
        for attack in attacks:
            parts.append(f"\n**{attack.text}.**\n")
            if attack.note:
                parts.append(textwrap.fill(attack.note, 118) + "\n")
            parts += [f"* `{path}::{name}`\n" for path, name in attack.tests]
    return "".join(parts)


if __name__ == "__main__":
    print(page(), end="")
