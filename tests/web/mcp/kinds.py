"""What clients and models send in place of what is meant, by kind: tool, arguments as sent, a part of what is told.

The rows depend on no other call, so that they can be played in any order and over any transport. A row that is refused
says how to mend the call; a row that is taken shows what it was read as.
"""

from typing import Any

Row = tuple[str, Any, str]


def each(*sent: Any) -> tuple[Any, ...]:
    """What is sent, of whatever types."""
    return sent


OR_LEAVE_OUT = ", or leave it out."
RELATIVE = "name it relative to the repository's root"
SEVERAL = "it names more than one: lease one surface a call"
UNSEEN = "which a reader cannot see"

NUMBERS: list[Row] = [
    *(
        (
            "lease",
            {"surface": "k/a", "ttl_seconds": sent},
            f"'ttl_seconds' must be a whole number of seconds{OR_LEAVE_OUT}",
        )
        for sent in each("10m", "PT10M", "1h", "600s", "00:30", "1e3", "1800.5", "forever")
    ),
    ("create_invite", {"ttl_hours": "7d"}, "'ttl_hours' must be a whole number of hours, or leave it out."),
    *(
        ("read_posts", {"limit": sent}, '"posts":[')
        for sent in each("5", " 5 ", "5.0", 5.0, "\u00a05", '"5"', "`5`", "#5", "+5")
    ),
    *(
        ("read_posts", {"limit": sent}, f"'limit' must be a whole number{OR_LEAVE_OUT}")
        for sent in each(
            "five",
            "1e1",
            "0x5",
            "1,000",
            "1_000",
            "\u0665",
            "5 posts",
            True,
            "true",
            [5],
            "[5]",
            {"value": 5},
            5.5,
            "5.5",
        )
    ),
    *(("read_posts", {"limit": sent}, "'limit' must be a whole number") for sent in each("null", "None", "undefined")),
    ("read_posts", {"limit": "-1"}, "'limit' must be at least 1, or leave it out."),
    ("read_posts", {"limit": "9" * 300}, "'limit' must be at most 200, or leave it out."),
    *(
        ("ack", {"post_id": sent}, "say which post: post_id, or post_ids for several")
        for sent in each("", 0, "0", None, [])
    ),
    ("task_ship", {"task_id": "0"}, "'task_id' must be at least 1."),
    ("lease", {"surface": "k/numbers", "ttl_seconds": "60"}, '"surface":"k/numbers"'),
    ("seed_sequence", {"sequence": "k-zero", "current": 0, "prefix": "", "pad": 4}, '"current":0'),
    ("seed_sequence", {"sequence": "k-nought", "current": 0, "prefix": "", "pad": 0}, '"current":0'),
    ("seed_sequence", {"sequence": "k-nought", "current": "0", "prefix": None, "pad": None}, '"current":0'),
    ("seed_sequence", {"sequence": "k-nought", "prefix": "", "pad": 0}, "say what to set: current"),
]

FLAGS: list[Row] = [
    *(("read_posts", {"to_me": sent}, '"posts":[') for sent in each("true", "True", " FALSE ", '"true"', "", None, [])),
    *(
        ("read_posts", {"to_me": sent}, f"'to_me' must be true or false{OR_LEAVE_OUT}")
        for sent in each("yes", "on", 1, "1", 0, [True], "null", "None")
    ),
]

LISTS: list[Row] = [
    *(
        ("task_create", {"title": "k", "depends_on": sent}, "not_found: no task 9000001 to depend on")
        for sent in each(
            [9000001],
            "[9000001]",
            ["9000001"],
            '["9000001"]',
            "9000001",
            9000001,
            [9000001.0],
            '"[9000001]"',
            ["#9000001"],
        )
    ),
    *(
        ("ack", {"post_ids": sent}, "not_found: no post 9000001, 9000002")
        for sent in each("[9000001, 9000002]", ["9000001", 9000002])
    ),
    *(
        ("task_create", {"title": "k", "depends_on": sent}, '"status":"open"')
        for sent in each([], "[]", "", None, " ", {})
    ),
    *(
        ("task_create", {"title": "k", "depends_on": sent}, f"'depends_on' must be a list such as [1, 2]{OR_LEAVE_OUT}")
        for sent in each("1,2", "null", "{}", {"0": 1}, "[1,", "task:1")
    ),
    *(
        ("task_create", {"title": "k", "depends_on": sent}, "must be a whole number, or leave it out.")
        for sent in each([[1]], ["a"], [None], ["null"], [True])
    ),
]

NOT_GIVEN: list[Row] = [
    (
        "post",
        {"to_lane": "k", "to_actor": "", "subject": "", "body": "x", "ref": "", "tag": "", "reply_to": 0, "key": ""},
        '"post_id":',
    ),
    ("post", {"to_lane": "k", "to_actor": None, "body": "x", "ref": [], "tag": {}, "reply_to": "0"}, '"post_id":'),
    ("post", {"to_lane": "k", "body": "x", "tag": '""', "ref": "''"}, '"post_id":'),
    (
        "query_events",
        {"actor": "", "type": "", "since": "", "until": None, "number": 0, "last_n": 0, "limit": 1},
        "events",
    ),
    ("list_tasks", {"status": "", "owner": "", "lane": "", "ready": "", "task_id": 0, "limit": 0}, '"tasks":['),
    ("whats_new", {"advance_cursor": "", "after": 0, "limit": "", "wait_seconds": 0}, '"since_event_id":0'),
    (
        "lease",
        {"surface": "k/filled", "mode": "", "pick_one": None, "note": " ", "wait_seconds": 0},
        '"surface":"k/filled"',
    ),
]

NOTHING_IN_WORDS: list[Row] = [
    *(
        (
            "post",
            {"to_lane": sent, "body": "x"},
            f"'to_lane' must be a name, not the word {sent.strip()}, or leave it out.",
        )
        for sent in each(
            *("null", "None", "none", "NULL", "nil", "undefined", "N/A", " null "),
            *("(none)", "<null>", "None.", "[None]", "NaN", "-", "\u2014"),
        )
    ),
    *(
        ("register", {"lane": sent}, f"'lane' must be a name, not the word {sent}.")
        for sent in each("null", "None", "none")
    ),
    ("post", {"to_lane": "k", "body": "x", "tag": "None"}, "'tag' must be a name, not the word None, or leave it out."),
    ("register", {"lane": "k", "status": "null"}, "'status' must be text, not the word null, or leave it out."),
    ("claim", {"sequence": "null"}, "'sequence' must be a name, not the word null."),
    ("task_create", {"title": "k", "owner": "none"}, "'owner' must be a name, not the word none, or leave it out."),
    *(("lease", {"surface": sent}, "not the word") for sent in each("null", "None", "`null`", "undefined", "n/a")),
    ("who_holds", {"surface": "null"}, "'surface' must be text, not the word null, or leave it out."),
    ("release", {"surface": "null"}, "a surface must be a name, not the word null"),
    ("admin_provision", {"participant_name": "null"}, "'participant_name' must be a name, not the word null."),
    ("post", {"to_lane": "k", "body": "null"}, '"post_id":'),
]

WORDS: list[Row] = [
    *(
        ("lease", {"surface": "k/mode", "mode": sent}, '"surface":"k/mode"')
        for sent in each("shared", "Shared", " SHARED ", '"shared"')
    ),
    *(
        ("list_tasks", {"status": sent}, '"tasks":[')
        for sent in each("in_progress", "In progress", "in-progress", "inProgress", "IN_PROGRESS", "Done", '"done"')
    ),
    ("query_events", {"type": "taskCreate"}, '"events":['),
    *(
        (
            "list_tasks",
            {"status": sent},
            "'status' must be one of: assigned, blocked, cancelled, done, in_progress, open",
        )
        for sent in each("all", "null", "done,open", ["done"], 5)
    ),
    (
        "lease",
        {"surface": "k/mode", "mode": "exclusively"},
        "'mode' must be one of: exclusive, shared, or leave it out.",
    ),
]

TEXTS: list[Row] = [
    *(
        ("register", {"lane": sent}, '"lane":"k lane"')
        for sent in each(
            "k lane ", "\tk lane\n", "\u3000k lane\u00a0", "\u2003k lane", '"k lane"', "'k lane'", "`k lane`"
        )
    ),
    ("register", {"lane": "cafe\u0301"}, '"lane":"caf\u00e9"'),
    ("register", {"lane": '"k" "l"'}, '"lane":"\\"k\\" \\"l\\""'),
    *(
        ("register", {"lane": sent}, "'lane' must be one name, not a list")
        for sent in each('["k"]', '["k","l"]', "[1, 2]", '{"lane":"k"}')
    ),
    ("register", {"lane": "(unset)"}, "name the one you work in"),
    *(
        ("seed_sequence", {"sequence": "k-prefix", "prefix": sent}, "'prefix' must not contain U+")
        for sent in each("K\u200b", "K\n", "\x1b[31m", "K\u202e")
    ),
    ("seed_sequence", {"sequence": "k-prefix", "prefix": "K "}, '"prefix":"K "'),
    *(
        ("post", {"to_lane": "k", "body": sent}, "'body' must not be blank.")
        for sent in each("\u200b", "\ufeff \u2060")
    ),
    ("task_create", {"title": "\u200b"}, "'title' must not be blank."),
    ("task_cancel", {"task_id": 1, "reason": "\u00ad"}, "'reason' must not be blank."),
    *(
        ("register", {"lane": sent}, UNSEEN)
        for sent in each(
            "k\u200bl",
            "k\u00a0l",
            "k\ufeff",
            "k\u202el",
            "\x1b[31mk",
            "k\nl",
            "k\u2028l",
            "k\u00adl",
            "k\u3000l",
        )
    ),
    *(("register", {"lane": sent}, "'lane' must be text.") for sent in each(5, True, ["k"], {"lane": "k"})),
    *(("register", {"lane": sent}, "'lane' must not be empty.") for sent in each("", "  ", "\u00a0", '""')),
    ("register", {"lane": None}, "'lane' is missing; this tool needs it."),
    ("claim", {"sequence": " k-adr\n", "note": "k"}, '"sequence":"k-adr"'),
    ("claim", {"sequence": '"k-adr"'}, '"sequence":"k-adr"'),
    *(
        ("claim", {"sequence": sent}, "'sequence' must be 1 to 64 characters")
        for sent in each("ADR", "k adr", "k.adr", "")
    ),
    *(("post", {"to_lane": "k", "body": sent}, "'body' must not be") for sent in each("", " ", "\n\t", "\u00a0")),
    *(("post", {"to_lane": "k", "body": sent}, "'body' must be text.") for sent in each(5, ["x"], {"x": 1}, False)),
    ("task_create", {"title": " "}, "'title' must not be blank."),
    ("post", {"to_lane": "k", "body": "\ud800"}, "'body' must be text without NUL characters and lone surrogates."),
    ("post", {"to_lane": "k", "body": "a\0b"}, "'body' must be text without NUL characters and lone surrogates."),
]

TIMES: list[Row] = [
    ("query_events", {"since": "2027-01-01", "until": "2026-01-01"}, "since is later than until"),
    *(
        ("query_events", {"since": sent, "limit": 1}, '"events":[')
        for sent in each(
            "2026-01-31",
            "2026-01-31T12:00Z",
            '"2026-01-31T12:00:00.000Z"',
            "2026-01-31 12:00:00",
            "2026-01-31t12:00:00z",
            "2026-01-31T12:00:00 +02:00",
            "20260131T120000Z",
            "2026-01-31 12:00:00 UTC",
            "2026-01-31T24:00:00Z",
            "2026-12-31T23:59:60Z",
        )
    ),
    *(
        (
            "query_events",
            {"since": sent},
            "'since' must be an ISO 8601 time such as 2026-01-31T12:00:00Z, or leave it out.",
        )
        for sent in each("now", "yesterday", 1769860800, "1769860800", "31.01.2026", "null", ["2026-01-31"])
    ),
]

ARGUMENT_NAMES: list[Row] = [
    (
        "claim",
        {"sequense": "adr"},
        "'sequense' is not an argument of this tool; its arguments are: sequence, note, key.",
    ),
    ("claim", {"sequense": "adr"}, "'sequence' is missing; this tool needs it. "),
    ("claim", {"sequense": "adr"}, "Perhaps you mean 'sequence'."),
    ("post", {"toLane": "k", "body": "x"}, "Perhaps you mean 'to_lane'."),
    ("post", {"to-lane": "k", "body": "x"}, "Perhaps you mean 'to_lane'."),
    ("ack", {"postId": 5}, "Perhaps you mean 'post_id'."),
    ("read_posts", {"ToMe": True}, "Perhaps you mean 'to_me'."),
    ("post", {"lane": "k", "body": "x"}, "Perhaps you mean 'to_lane'."),
    ("post", {"to": "k", "body": "x"}, "Perhaps you mean 'reply_to' or 'to_actor' or 'to_lane'."),
    ("ack", {"id": 5}, "Perhaps you mean 'post_id'."),
    ("lease", {"surface": "k/a", "ttl": 60}, "Perhaps you mean 'ttl_seconds'."),
    ("admin_provision", {"name": "k"}, "Perhaps you mean 'participant_name'."),
    ("claim", {"sequence": "k-adr", "project": "another"}, "'project' is not an argument of this tool"),
    ("claim", {"sequence": "K", "note": 5, "x": 1}, "'sequence' must be 1 to 64"),
    ("claim", {"sequence": "K", "note": 5, "x": 1}, "'note' must be text, or leave it out."),
    ("claim", {"sequence": "K", "note": 5, "x": 1}, "'x' is not an argument of this tool"),
    ("whoami", {"random_string": "dummy"}, '"label":"lead"'),
    ("list_participants", {"anything": {"at": "all"}}, '"name":"lead"'),
    *(
        ("who_holds", {name: "x"}, '"leases":[')
        for name in ("random_string", "task_progress", "toolCallId", "sessionId", "action", "chatInput")
    ),
]

WHOLE_ARGUMENTS: list[Row] = [
    ("claim", '{"sequence": "k-adr"}', '"sequence":"k-adr"'),
    ("claim", '"{\\"sequence\\": \\"k-adr\\"}"', '"sequence":"k-adr"'),
    ("whoami", "", '"label":"lead"'),
    ("whoami", "null", '"label":"lead"'),
    ("claim", "", "'sequence' is missing; this tool needs it."),
    *(
        ("claim", sent, "params.arguments must be an object with the tool's arguments by name")
        for sent in each([], "adr", '"adr"', "[]", 5, True, ["adr"], '{"sequence": "k-adr"')
    ),
]

TOOL_NAMES: list[Row] = [
    *(
        (sent, {"sequence": "k-adr"}, f"perhaps you mean '{meant}'; tools/list shows what there is.")
        for sent, meant in {
            "Claim": "claim",
            "cliam": "claim",
            "claim ": "claim",
            "mcp__llm-bus__claim": "claim",
            "llm-bus.claim": "claim",
            "listTasks": "list_tasks",
            "list-tasks": "list_tasks",
            "read_post": "read_posts",
            "create_task": "task_create",
            "TaskCancel": "task_cancel",
        }.items()
    ),
    ("task_done", {}, "Unknown tool: 'task_done'; tools/list shows what there is."),
    ("deploy", {}, "Unknown tool: 'deploy'; tools/list shows what there is."),
    ("", {}, "Unknown tool: ''; tools/list shows what there is."),
    ("server/" * 1_000 + "claim", {}, f"Unknown tool: '{('server/' * 10)[:64]}'; tools/list shows what there is."),
]

PEOPLE: list[Row] = [
    ("admin_provision", {"participant_name": "lead", "lane": "(unset)"}, "leave it out"),
    ("list_tasks", {"owner": "LEAD"}, '"tasks":['),
    ("list_tasks", {"owner": '"lead"'}, '"tasks":['),
    ("query_events", {"actor": "ADA/lead", "limit": 1}, '"events":['),
    ("query_events", {"actor": "stranger"}, "not_found: no participant 'stranger'"),
    ("post", {"to_actor": "ben/lead", "body": "x"}, "not_found: no owner 'ben'"),
    ("admin_provision", {"participant_name": "l\u0435ad"}, "mixes letters of several scripts"),
    ("admin_provision", {"participant_name": "a/b"}, "must be a name without '/'"),
    ("admin_provision", {"participant_name": "le\u200bad"}, UNSEEN),
    ("admin_provision", {"participant_name": "LEAD"}, "lead"),
]

TOLD: list[Row] = [
    ("post", {"to_lane": "k nobody ever", "body": "x"}, '"nobody_in_lane":true'),
    ("claim", {"sequence": "k-never-before"}, '"new_sequence":true'),
]

SURFACES_TAKEN: list[Row] = [
    ("lease", {"surface": sent}, f'"surface":"{read}"')
    for sent, read in {
        " k/a.py ": "k/a.py",
        "k/a.py\n": "k/a.py",
        "k/a.py\\n": "k/a.py",
        "\u00a0k/a.py": "k/a.py",
        "`k/a.py`": "k/a.py",
        '"k/a.py"': "k/a.py",
        "'k/a.py'": "k/a.py",
        '["k/a.py"]': "k/a.py",
        "['k/a.py']": "k/a.py",
        "- k/a.py": "k/a.py",
        "k/a.py:10-20": "k/a.py",
        "k/a.py#L10": "k/a.py",
        "k/a.py:10:5": "k/a.py",
        "k\\a.py": "k/a.py",
        "./k//a.py": "k/a.py",
        "k/auth/": "k/auth",
        "k/auth/**": "k/auth/**",
        "k/**/*.{ts,tsx}": "k/**/*.{ts,tsx}",
        ".": ".",
        "./": ".",
        "/": ".",
        "port: 3000": "port:3000",
    }.items()
]

SURFACES_REFUSED: list[Row] = [
    *(
        ("lease", {"surface": sent}, RELATIVE)
        for sent in each(
            *("/home/ann/shop/src/a.py", "C:\\shop\\src\\a.py", "c:/shop/a.py", "D:a.py", "\\\\server\\share\\a.py"),
            *("file:///home/ann/a.py", "file://C:/a.py", "file:a.py", "vscode://file/a.py", "https://example.com/a.py"),
            *("~/shop/a.py", "~ann/a.py", "~", "`/home/ann/a.py`", "//a.py", "\\a.py", "/c/Users/ann/a.py"),
            *("$HOME/a.py", "%USERPROFILE%\\a.py", "${ROOT}/a.py"),
        )
    ),
    *(
        ("lease", {"surface": sent}, SEVERAL)
        for sent in each(
            *("k/a.py, k/b.py", '["k/a.py","k/b.py"]', "k/a.py\nk/b.py", "k/a.py; k/b.py", "k/a.py k/b.py"),
            *("k/a.py and k/b.py", "k/a.py & k/b.py", "k/a.py | k/b.py", "k/a.py + k/b.py", "k/a.py -> k/b.py"),
        )
    ),
    *(("lease", {"surface": sent}, "write it without '..'") for sent in each("../x", "..", "k/../../x", "..\\x")),
    *(
        ("lease", {"surface": sent}, UNSEEN)
        for sent in each("k/a\u200b.py", "k/a\u00a0b.py", "k/a.py\tk/b.py", "k/a\u202e.py")
    ),
    ("lease", {"surface": "k%2Fa.py"}, "write the characters themselves"),
    ("lease", {"surface": "@k/a.py"}, "leave the '@' out"),
    ("lease", {"surface": "[a](k/a.py)"}, "without the link around it"),
    ("lease", {"surface": "k/{a,b.py"}, SEVERAL),
    *(("lease", {"surface": sent}, "'surface' must be text.") for sent in each(["k/a.py"], 5, {"path": "k/a.py"})),
    *(("lease", {"surface": sent}, "must not be empty") for sent in each("", " ", "``", '""')),
    ("release", {"surface": "/home/ann/shop/src/a.py"}, RELATIVE),
    ("who_holds", {"surface": "C:\\shop\\a.py"}, RELATIVE),
    ("lease", {"surface": "src/a.py", "pick_one": True}, "is not a range to pick from"),
]

KINDS: dict[str, list[Row]] = {
    "numbers": NUMBERS,
    "flags": FLAGS,
    "lists": LISTS,
    "not given": NOT_GIVEN,
    "nothing in words": NOTHING_IN_WORDS,
    "words": WORDS,
    "texts": TEXTS,
    "times": TIMES,
    "names of arguments": ARGUMENT_NAMES,
    "arguments as a whole": WHOLE_ARGUMENTS,
    "names of tools": TOOL_NAMES,
    "people": PEOPLE,
    "told": TOLD,
    "surfaces that are taken": SURFACES_TAKEN,
    "surfaces that are refused": SURFACES_REFUSED,
}
