"""List the forms and tabs of SiteAgent's screen, and submit them."""

from __future__ import annotations

from tests.plugin.support.dashboard import new_token, pair
from tests.plugin.support.wp_admin import Person

FORMS = (
    "siteagent_read_token",
    "siteagent_accept",
    "siteagent_cancel",
    "siteagent_disconnect",
    "siteagent_moved",
    "siteagent_accept_audit_log",
    "siteagent_export_log",
    "siteagent_permissions",
    "siteagent_decide",
    "siteagent_notifications",
    "siteagent_pause",
    "siteagent_resume",
    "siteagent_window",
    "siteagent_min_age",
    "siteagent_exclusions",
    "siteagent_restore",
)


TABS = (
    "",
    "&tab=permissions",
    "&tab=limits",
    "&tab=data",
    "&tab=history",
    "&tab=log",
    "&step=token",
    "&step=consent",
    "&step=disconnect",
)


def nonce_of(wp, person: Person, form: str) -> str:
    """Return the nonce of a form for the person's session."""
    return nonces_of(wp, person, (form,))[form]


def nonces_of(wp, person: Person, names: tuple[str, ...] = FORMS) -> dict[str, str]:
    """Return the nonces that WordPress prints into the forms for the person's session."""
    cookies = {item.name: item.value for item in person.session.cookies}
    (cookie,) = [value for name, value in cookies.items() if "logged_in" in name]
    forms = ", ".join(f"'{form}'" for form in names)
    return wp.evaluate(
        f"$_COOKIE[LOGGED_IN_COOKIE] = rawurldecode('{cookie}');"
        f"wp_set_current_user(get_user_by('login', '{person.login}')->ID);"
        f"$forms = array({forms});"
        "return array_combine($forms, array_map('wp_create_nonce', $forms));"
    )


def paste(ana: Person, text: str) -> str:
    return ana.submit(ana.page("&step=token").text, "siteagent_read_token", token=text)


def agree(ana: Person, text: str, **fields: str) -> str:
    return ana.submit(paste(ana, text), "siteagent_accept", **fields)


def user_with_role(wp, role: str) -> Person:
    wp.evaluate(
        f"if (!get_user_by('login', 'some_{role}')) wp_insert_user(array("
        f"'user_login' => 'some_{role}', 'user_pass' => 'pw-{role}', 'role' => '{role}',"
        f"'user_email' => '{role}@example.com'));"
    )
    return Person(wp.url, f"some_{role}", f"pw-{role}")


def connect_by_forms(wp, ana: Person):
    token = new_token(wp.url)
    agree(ana, token.text())
    return pair(token)
