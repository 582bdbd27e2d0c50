"""Static inspection of code: what it connects to, schedules and calls."""

from __future__ import annotations

import time

import pytest

from app.code_look import (
    BACKTICKS,
    CAPABILITY,
    CRON_HOOK,
    HOST,
    OPEN_AJAX,
    REST_ROUTE,
    look_at_javascript,
    look_at_php,
)

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("kind", "code", "value"),
    [
        (HOST, "$a = 'https://API.Example.com/v1?x=1';", "api.example.com"),
        (HOST, '$a = "curl https://cdn.example:8443/x";', "cdn.example"),
        (HOST, r"$a = 'https:\/\/json.example\/x';", "json.example"),
        (HOST, "$a = <<<HTML\n<img src=https://heredoc.example>\nHTML;", "heredoc.example"),
        (HOST, "?><script src='https://outside.example/x.js'></script>", "outside.example"),
        (CRON_HOOK, "wp_schedule_event( time() + max(1, 2), 'daily', 'desk_sync' );", "desk_sync"),
        (CRON_HOOK, "\\wp_schedule_single_event(time(), 'desk_once', array(1));", "desk_once"),
        (CRON_HOOK, "wp_schedule_single_event(time(), $hook);", "…"),
        (CRON_HOOK, "wp_schedule_single_event(time(), 'desk_' . $id);", "desk_…"),
        (REST_ROUTE, "register_rest_route('desk/v1', '/export', [1, 2]);", "desk/v1/export"),
        (REST_ROUTE, "register_rest_route($this->ns, '/export');", "…/export"),
        (CAPABILITY, "$role->add_cap( 'manage_desk' );", "manage_desk"),
        (CAPABILITY, "add_role('desk_agent', 'Agent', ['read' => true]);", "desk_agent"),
        (OPEN_AJAX, "add_action('wp_ajax_nopriv_desk_send', 'f');", "desk_send"),
        (OPEN_AJAX, "add_action('wp_ajax_nopriv_' . $name, 'f');", "…"),
    ],
)
def test_servers_and_events_in_code_are_found(kind: str, code: str, value: str) -> None:
    look = look_at_php(f"<?php\n{code}\n".encode())
    assert look.names[kind] == {value}
    assert look.is_complete


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("eval($x);", "eval"),
        ("EVAL ( $x );", "eval"),
        ("eval/* a */($x);", "eval"),
        ("return \\base64_decode($x);", "base64_decode"),
        ("@shell_exec($x);", "shell_exec"),
        ("$x = `ls $y`;", BACKTICKS),
    ],
)
def test_notable_calls_are_counted(code: str, call: str) -> None:
    look = look_at_php(f"<p><?php {code} {code} ?></p>".encode())
    assert dict(look.calls) == {call: 2}


@pytest.mark.parametrize(
    "code",
    [
        "// eval($x) https://comment.example",
        "# eval($x) https://comment.example",
        "/* eval($x); wp_schedule_event(1, 2, 'x'); https://comment.example */",
        "$x = 'eval(1)'; $y = \"system(1) it's\"; $z = 'it\\'s exec(1)';",
        "$this->exec($x); Shell::system($x); new System($x); function passthru($x) {}",
        "$x = <<<'A'\neval(1) `ls`\nA;",
        "$eval(1); medieval(1); eval_it(1);",
        "?> eval(1) ",
        "#[Route('a')]\n",
        "$x = 'http://www.w3.org/2000/svg';",
    ],
)
def test_comments_strings_and_methods_are_not_calls(code: str) -> None:
    look = look_at_php(f"<?php {code}\n".encode())
    assert (dict(look.calls), {kind: names for kind, names in look.names.items() if names}) == (
        {},
        {},
    )


def test_a_comment_ends_where_the_code_does() -> None:
    assert look_at_php(b"<?php // a ?><?php eval(1);").calls == {"eval": 1}


def test_javascript_names_the_servers_in_its_strings() -> None:
    source = b'// https://docs.example\nfetch("https://api.example/x"); a=`https://cdn.example/`'
    assert look_at_javascript(source).names[HOST] == {"api.example", "cdn.example"}


@pytest.mark.parametrize(
    "source",
    [
        b"<?php " + b"/* " * MEGABYTE,
        b"<?php " + b"'\"" * MEGABYTE + b"\\",
        b"<?php " + b"add_cap(" * MEGABYTE,
        b"<?php " + b"<<<A\n" * MEGABYTE,
        b"<?php <<<A\n" + b"\n A" * MEGABYTE,
        b"<?php " + b"x" * 2 * MEGABYTE,
        b"<?" * MEGABYTE,
        b"<?php `" + b"\\" * 2 * MEGABYTE,
        b"<?php '" + b"https://" * MEGABYTE,
        b"\xff\xfe\x00" * MEGABYTE,
    ],
    ids=lambda source: repr(source[:14]),
)
def test_hostile_code_is_inspected_in_seconds(source: bytes) -> None:
    """Each byte is read once, so 2 MB take about two seconds. Quadratic time would be days."""
    began = time.process_time()
    look_at_php(source[: 2 * MEGABYTE])
    assert time.process_time() - began < 30


def test_code_beyond_the_limit_is_reported_as_unread() -> None:
    assert not look_at_php(b"<?php " + b"add_cap('a');" * 2001).is_complete
    assert look_at_php(b"<?php " + b"add_cap('a');" * 2000).is_complete
