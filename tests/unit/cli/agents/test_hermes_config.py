from typing import Any

import pytest
import yaml

from tasuki.cli.agents.hermes_config import ENV_PASSTHROUGH, is_sync_hook, update_config
from tasuki.errors import ConfigError

PASSING = f"terminal:\n  env_passthrough: [{', '.join(ENV_PASSTHROUGH)}]\n"
SYNC = "python -m tasuki sync --to team"


def test_an_empty_configuration_gets_what_the_tools_need_and_no_hook() -> None:
    assert update_config("") == PASSING


BLOCK = """\
# mine
model: &m {default: "x"}   # keep
hooks:
  pre_tool_call:
    - matcher: "terminal"   # mine
      command:   '~/check.sh'
  on_session_end:
    # notify me
    - command: ~/notify.sh
      timeout:    5
    - command: BRAIN_DIR=/b /usr/bin/python3 -m tasuki sync --to team  # old
      timeout: 60
    # last
    - {command: "~/again.sh"}
other: *m

# the end
"""
REMOVED = """\
    - command: BRAIN_DIR=/b /usr/bin/python3 -m tasuki sync --to team  # old
      timeout: 60
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_the_sync_hook_goes_and_every_other_byte_stays(end: str) -> None:
    assert update_config(BLOCK.replace("\n", end)) == (BLOCK.replace(REMOVED, "") + PASSING).replace("\n", end)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"hooks:\n  on_session_end:\n    - command: {SYNC}\n# end\n", "# end\n"),
        (f"hooks:\n  on_session_end:\n  - command: {SYNC}\n  pre_tool_call: []\n", "hooks:\n  pre_tool_call: []\n"),
        (f"hooks: {{on_session_end: [{{command: {SYNC}}}], a: [b]}}\n", "hooks: {a: [b]}\n"),
        (f"hooks: {{a: [b], on_session_end: [{{command: {SYNC}}}]}}\n", "hooks: {a: [b]}\n"),
        (f"hooks:\n  on_session_end: [x, {{command: {SYNC}}}, y]\n", "hooks:\n  on_session_end: [x, y]\n"),
        (f"hooks:\n  on_session_end: [x, {{command: {SYNC}}}]\n", "hooks:\n  on_session_end: [x]\n"),
        (f"hooks:\n  on_session_end:\n  - {SYNC}\n  - command: gradata sync\n  - keep\n", "hooks:\n  on_session_end:\n  - keep\n"),
        (f"hooks:\n  on_session_end:\n  - command: |\n      {SYNC}\n  - keep\n", "hooks:\n  on_session_end:\n  - keep\n"),
        (f'hooks:\n  session_end:\n  - command: {SYNC}\n  a:\n  - "a\tb"\n', 'hooks:\n  a:\n  - "a\tb"\n'),
        (f"a: 1\nhooks:\n  on_session_end:\n  -\n    command: {SYNC}", "a: 1\n"),
    ],
)
def test_a_sync_hook_goes_with_all_that_it_leaves_empty(before: str, after: str) -> None:
    assert update_config(before) == after + PASSING


NAMES = ", ".join(ENV_PASSTHROUGH)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("terminal:\n  backend: local # b\n", f"terminal:\n  env_passthrough: [{NAMES}]\n  backend: local # b\n"),
        ("terminal: {backend: local}\n", f"terminal: {{env_passthrough: [{NAMES}], backend: local}}\n"),
        ("terminal:\n  env_passthrough: [A] # a\n", f"terminal:\n  env_passthrough: [{NAMES}, A] # a\n"),
        ("terminal: {env_passthrough: []}\n", f"terminal: {{env_passthrough: [{NAMES}]}}\n"),
        (
            "terminal:\n  env_passthrough:\n    # mine\n    - A\n",
            "terminal:\n  env_passthrough:\n    # mine\n" + "".join(f"    - {name}\n" for name in ENV_PASSTHROUGH) + "    - A\n",
        ),
        ("{model: x}", f"{{terminal: {{env_passthrough: [{NAMES}]}}, model: x}}"),
        ("model: x", f"model: x\n{PASSING}"),
        ("# nothing yet\n", f"# nothing yet\n{PASSING}"),
    ],
)
def test_the_variables_are_added_in_the_style_that_is_there(before: str, after: str) -> None:
    assert update_config(before) == after


@pytest.mark.parametrize(
    "text", ["", BLOCK, "{model: x}", "terminal: {env_passthrough: [A]}\n", "terminal:\n  env_passthrough:\n  - A\n"]
)
def test_a_second_time_changes_nothing(text: str) -> None:
    once = update_config(text)
    assert update_config(once) == once


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1\nb: 2\n", "not YAML"),
        ("hooks:\n\ton_session_end: []\n", "not YAML"),
        ("- a\n", "not a mapping but a list"),
        ("terminal:\n", "no list in a mapping"),
        ("terminal: {env_passthrough: A}\n", "no list in a mapping"),
        ("base: &t {a: 1}\nterminal: *t\n", "can't be edited"),
        ("base: &h [{command: tasuki sync}, x]\nhooks: {on_session_end: *h, a: []}\n", "can't be edited"),
        ("hooks:\n  on_session_end:\n  - &s {command: tasuki sync}\nuses: *s\n", "can't be edited"),
        ("a: 1\n...\n", "can't be edited"),
        ("a: 1\n---\nb: 2\n", "not YAML"),
    ],
)
def test_what_is_broken_or_can_not_be_edited_safely_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        update_config(text)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("tasuki sync", True),
        ({"command": "/opt/bin/tasuki sync --to team", "timeout": 9}, True),
        ({"command": "env A=b gradata sync"}, True),
        ({"command": "BRAIN_DIR='/a b' python3 -m gradata.cloud.sync"}, True),
        ({"command": "BRAIN_DIR=/b python3 -m gradata.hooks.session_close"}, True),
        ({"command": "python3 -m gradata.hooks.inject_brain_rules"}, False),
        ({"command": "python -m tasuki doctor"}, False),
        ({"command": "gradata recall"}, False),
        ({"command": "git sync"}, False),
        ({"command": "~/tasuki-sync-report.sh tasuki sync"}, False),
        ({"command": "it's open"}, False),
        ({"command": "python -m"}, False),
        ({"timeout": 5}, False),
        (None, False),
    ],
)
def test_only_our_own_sync_is_taken_for_one(entry: Any, expected: bool) -> None:
    assert is_sync_hook(entry) is expected


def test_the_fixture_is_what_an_agent_would_read() -> None:
    assert len(yaml.safe_load(update_config(BLOCK))["hooks"]["on_session_end"]) == 2
