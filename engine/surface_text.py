"""How people and agents write surfaces: what stands around a name is taken off, what is no name is refused.

A lease of what hardly ever is the name of a file would meet nobody, and its holder would believe that the work is
announced. `?` stands for any one character, so even a file with such a name can be leased. No file system is asked.
"""

import re

from engine.names import tidied

# Not 1. intro.md, which is the name of a file.
_BULLET = re.compile(r"^(?:[-*+•]|\#{1,6}|(?:\(?\d{1,3}[.)]|[a-z]\))(?= +\S*/\S*$)) +(?:\[[ xX]\] +)?")
_AROUND = " \t\r\n`'\"<>“”„«»「」『』\u2018\u2019\u201a\u2039\u203a"
_AFTER = ",;。"
_LIST_OF_ONE = re.compile(r"""^\[\s*(["'])([^"',]*)\1\s*\]$""")  # ["a.py"]
_ESCAPED_END = re.compile(r"(\.\w+)(?:\\[nrt])+$")  # a line end as JSON writes it, behind an extension

_PLACE = re.compile(
    r"""(?: :\d+ (?: [:-]\d+ )* :?                                   # a.py:10  a.py:10:5  a.py:10-20
          | [:@]L\d+ (?: -L?\d+ )?                                   # a.py:L10-L20
          | \#L\d+ (?: C\d+ )? (?: -L\d+ (?: C\d+ )? )?              # a.py#L10-L20
          | \(\d+ , [ ]? \d+\)                                       # a.ts(10,5)
          | [ ]+ \[ (?: lines? [ ] )? \d+ (?: [-\u2013]\d+ )? \]             # a.py [10-20]
          | ,? [ ]+ (?: (?:on|at|near) [ ] )? \(? lines? (?: [ ] | [ ]?:[ ]? ) \d+
               (?: (?: [ ]?[-\u2013][ ]? | [ ]to[ ] )\d+ )? \)?
        )$""",
    re.VERBOSE,
)
_PART = re.compile(  # a.md#install  a.py::test_it  a.ts(10)  a.py?plain=1  a.py@10  a.py +10
    r"(\.\w+)(?:\?\w+=[^/]*|#[^/]*|::.*|\(\d+\)|(?: L|@| \+)\d+(?:-L?\d+)?|-\d+-)$"
)

_SEVERAL = re.compile(
    r"""[\r\n,;\uff0c\uff1b\u3001] | \S\u2192\S
      | ["'] [ ]+ ["']
      | ^\[\s*["']
      | ^\S*\.[A-Za-z]\w* (?: [ ]+ (?: (?:and|or|&&|[&|+\u2013\u2014-]|->)[ ]+ )? \S*\.[A-Za-z]\w* )+$
      | ^\S*/\S+ (?: [ ]+ (?:and|or|&&|[&|+]) [ ]+ \S*/\S+ )+$
      | ^[\w.-]+ [ ]+ (?:and|or|&&|[&|+]) [ ]+ [\w.-]+$
      | ^([^/\s]+)/.*[ ]\1/                                          # src/auth src/web
      | ^\d+ (?: [ ]+ \d+ )+$""",
    re.VERBOSE,
)
_ESCAPED_BETWEEN = re.compile(r"/.*\.\w+(?:\\[nrt])+\S*\.\w")  # src/a.py\nsrc/b.py, as JSON writes a line end
# src/my\_file.py, as Markdown and regular expressions write it
_ESCAPED = re.compile(r"/.*\\[_#-]|/.*\w\\\.|^\\_|\\[_#-].*/|\\[dsw][+*]")

_SOMETHING = r"(?:files?|paths?|folders?|director(?:y|ies)|dirs?|everything|anything|surface)"
_DOING = (
    r"(?:(?:edit|fix|modify|refactor|add|mov|review|touch|work|writ|chang|updat|creat|delet|remov|renam|rewrit"
    r"|implement|read|test|debug|us|open|runn?)ing(?:[ ](?:on|in|with))?"
    r"|at|edit|fix|modify|refactor|create|delete|remove"
    r"|rename|rewrite|update|write|read|implement|see|just|only|auto-merging|new"
    r"|(?:add|delet|modifi|renam|chang|edit|creat|updat)ed"
    r"|(?-i:open|debug|run|from|to|in|within|inside|under|via|cat|less|nano|vim?|emacs|cd|ls|rm|mv|cp|mkdir|touch|chmod"
    r"|sed|grep|rg|bash|python3?|node|deno|bun|ruby|php|perl|java|go|cargo|npx|npm|pnpm|yarn|pytest|jest|vitest|eslint"
    r"|ruff|mypy|tsc|import|pass(?:ed)?|fail(?:ed)?|ok|PASSED|SKIPPED|XFAIL|XPASS|OK|WARNING))"
)
"""What people, shells, compilers and runners of tests write before a path."""

_BEFORE = re.compile(
    rf"""^(?: (?:the|all|any|every|in|under|below|of|inside)[ ]+ )* {_SOMETHING} [ ]+
           (?: (?:in|under|below|of|inside)[ ]+ )* \S*[/.*]\S*$       # the file src/a.py
       | ^\w*{_SOMETHING}\w* \s* =                                    # path=src/a.py
       | ^(?: \+{{3}} | -{{3}} | diff[ ]--?\w+ | git[ ](?:add|rm|mv|restore|checkout|diff|show|blame|log) )[ ]
       | ^(?: (?:rename|copy)[ ](?:from|to) | (?:create|delete)[ ]mode[ ]\d+ | Binary[ ]files?
             | [\d-]+[ ][\d-]+ | \+\d+ ) [ ]+ \S*[/.]                       # git show, vim +10 a.py
       | ^(?: all[ ]of | whole | entire | everything[ ](?:in|under|below|of) ) [ ]
       | ^-{{1,2}}[a-z][a-z-]* (?:=|[ ]+) \S*[/.] | ^(?: \|__ | \+?-- | ~ ) [ ] | ^[dl-][rwxst-]{{9}}[ ]
       | ^[+-]\w\S*/ | ^[(\[] [\w ]* [)\]] [ ]+ \S*[/.]\S*$  # [x] src/a.py
       | ^(?: (?:class|function|method)[ ]\S+ | \w+\(\) ) [ ]in[ ]  # main() in src/a.py
       | ^{_DOING} [ ]+ (?:-\w+[ ]+)? (?:file[ ]+)? \S*/\S*$          # fix src/a.py
       | ^(?-i: PASS | FAIL | FAILED | ERROR ) [ ]+ \S*\.\S* (?:[ ].*)?$
       | ^(?-i: [?!]{{2}} | [MARC]?[MDT] | AA | U[UAD] | [AD]U | [RCT] | A[ ] ) [ ]+ \S*[/.]\S*$  # git status
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BEHIND = re.compile(
    r"""\.[A-Za-z]\w* [ ]+ (?: [(\[] | [\u2013\u2014\u2192\#-] | and[ ] | or[ ] | etc
             | [&+@%][ ] | with[ ] | for[ ] | in[ ] | \w*\(\) | [\d.]+[ ]?(?:%|[KMG]?B)$ )[^/.]*$   # a.py (new)
      | \.[A-Za-z]\w* ,? [ ]+ (?: only | please | [^\w\s/.(\[]+ | lines?[ ][^/]*
             | \w+ \.? [ ]* \d+ (?: [-\u2013]\d+ )? )$                  # a.py l. 10
      | [*][^/\s]* [ ]+ \w+$                                   # *.py files
      | [ ](?: directory | folder | dir | module | package | subtree | only | recursively | and[ ]below
             | (?: and[ ]everything | except | excluding | but[ ]not )[ ] .* )$
      | [ ]\( (?:all|whole|entire|every|recursive)\b .* \)$
      | (?:^|/)\*\*[ ]+\S                                            # src/** (all)
    """,
    re.VERBOSE,
)
_WHOLE = re.compile(
    r"^(?:the )?(?:whole|entire) (?:repo(?:sitory)?|codebase|project|tree)$|^everything$"
    r"|^all(?: (?:the )?(?:files|code))?$|^(?:the )?(?:repo(?:sitory)?|project) root$"
    r"|^(?:the )?root of the repo(?:sitory)?$|^the (?:repo(?:sitory)?|codebase)$",
    re.IGNORECASE,
)
_MARKS = re.compile(
    r"""[<>`"“”„«»「」\u2500-\u257f] | '/' | ^'.*'$ | ^[bfru]{1,2}' | ^\[object[ ]
      | ^(?![\x00-\x7f])\W [^/]*?[ ] | [ ](?![\x00-\x7f])\W[ ] | ^(?: \uff08.*\uff09 | 【.*】 | 《.*》 )$ # ✓ a.py
      | ^(__?|~~|==)[^_~=].*\.[A-Za-z]+\1$                           # _src/a.py_
      | ^[A-Za-z]\w*\( .*[/.'].* \)$                                # Path('src/a.py')  Edit(src/a.py)
      | ^[(\[{][^)\]}/]*/.*[)\]}]$ | ^[(\[{][^)\]}]*$ | (?:^|/)[^/(\[{]*\.\w+[)\]}]$     # (src/a.py)
    """,
    re.VERBOSE,
)
_CLASS = re.compile(
    r"""\[[!^] | \[ (?: \d-\d | [a-z]-[a-z] | [A-Z]-[A-Z] | _ )+ \]   # [!a]  [a-z]; [id] is a route's name
      | \.\w*\[\w+\] | \*[^/\[]*\[\w+\]                               # *.[ch]  *_[ab].py
    """,
    re.VERBOSE,
)
_REGEX = re.compile(r"^\^|[^/]\$$|\.[*+]/\.\w")  # ^src  a.py$  .*\.py
_LIKE_ASCII = re.compile("[\uff0f\u2044\u2215\u29f8\uff3c\uff0a\u2217\uff5b\uff5d\uff0e\u2024]")
_HOST = re.compile(
    r"^(?:[\w-]+\.)*(?:git(?:hub|lab)\.com|githubusercontent\.com|bitbucket\.org|codeberg\.org|git\.sr\.ht|golang\.org"
    r"|gopkg\.in|k8s\.io)(?:/|$)"
)
"""Where repositories are, on the web and in Go's import paths."""

_ONE = "it names more than one: lease one surface a call"
RELATIVE = "name it relative to the repository's root, such as src/a.py"
OR_ANY = "('?' stands for any one character)"
_ALONE = "name the path alone, without"

NO_NAMESPACE = (
    r"(?:files?|paths?|dirs?|director(?:y|ies)|folders?|globs?|surface|repo|root"
    r"|modified|deleted|renamed|added|untracked|staged)"
)
"""Words that are no namespace: what they stand before is a path."""

_FAULTS = (
    (_WHOLE, "write '.' for the whole repository"),
    (_LIKE_ASCII, f"write '/', '.', '*' and braces as they are in ASCII {OR_ANY}"),
    (_SEVERAL, f"{_ONE} {OR_ANY}"),
    (re.compile(r"^/|^~[\w.-]*(?:/|$)|^[A-Za-z]:(?!:)|://"), RELATIVE),
    (re.compile(rf"^{NO_NAMESPACE}:"), RELATIVE),
    (_HOST, f"{RELATIVE} {OR_ANY}"),
    (re.compile(r"^\$|^%\w+%|\$\{"), f"variables keep their name here; {RELATIVE} {OR_ANY}"),
    (re.compile(r"%[0-9A-Fa-f]{2}"), f"write the characters themselves, not their codes {OR_ANY}"),
    (re.compile(r"/ "), "write spaces as they are, and none beside '/'"),
    (re.compile(r"^@"), f"leave the '@' out {OR_ANY}"),
    (re.compile(r"^#"), f"leave the '#' out {OR_ANY}"),
    (re.compile(r"\.[A-Za-z]\w*@[A-Za-z][\w/-]*$"), f"{_ALONE} '@' and what is behind it {OR_ANY}"),
    (re.compile(r"^!"), f"name what you work on, not what you leave out {OR_ANY}"),
    (re.compile(r"^\[[^]]*\]\(.+\)$"), f"{_ALONE} the link around it"),
    (re.compile(r"[:\uff1a]"), f"name the file or directory alone, without ':' {OR_ANY}"),
    (_BEFORE, f"{_ALONE} words before it {OR_ANY}"),
    (_BEHIND, f"{_ALONE} words behind it {OR_ANY}"),
    (re.compile(r"\||[@!*+]\("), f"write alternatives with commas in braces, such as {{a,b}} {OR_ANY}"),
    (re.compile(r"\{[^{}]*\.\.[^{}]*\}"), "write alternatives with commas, such as {1,2,3}"),
    (_MARKS, f"{_ALONE} marks around it {OR_ANY}"),
    (_CLASS, "write '?' for any one character, or alternatives such as {a,b}"),
    (_REGEX, "write a glob, not a regular expression: '*' within one directory, '**' across directories"),
    (re.compile(r"^[^{]*\}|\{[^}]*$"), f"close every brace {OR_ANY}"),
)
"""Patterns that an alternative must not contain, and what to do. The first that matches is told."""

_COUNTED = r"(port|gpu|db|table|branch|device|queue|env|sim)(?:e?s)?"
"""The usual kinds of surfaces outside the repository."""

_COUNTED_NAMESPACE = re.compile(rf"^{_COUNTED}\s*[:\uff1a]", re.IGNORECASE)
_COUNTED_OTHERWISE = re.compile(
    rf"^{_COUNTED}(?:\s*=|[ #]+(?=\d))|^(?:localhost|127\.0\.0\.1|0\.0\.0\.0|tcp|udp)?:\d", re.IGNORECASE
)
_PATH_AFTER_NAME = re.compile(r"/.*\.[A-Za-z]\w*$")  # main:src/a.py
_ODD_RANGE = re.compile(
    r"""\d [ ]* (?: \.{2,} | to | until | [~\u2014] ) [ ]* \d | \d [ ]* [-\u2013\u2014+]$ | ^[-\u2013\u2014<>=]+ [ ]* \d
      | ^\[\d | ^\d+ [ ]* : [ ]* \d+$""",
    re.VERBOSE,
)


def unwrapped(text: str) -> str:
    """Without what surrounds a name in prose, in code and in lists."""
    name = _LIST_OF_ONE.sub(r"\2", tidied(text))
    name = _BULLET.sub("", name.strip(_AROUND)).lstrip(_AROUND).rstrip(_AROUND + _AFTER)
    return _ESCAPED_END.sub(r"\1", _COUNTED_NAMESPACE.sub(lambda found: f"{found[1].lower()}:", name))


def without_place(written: str) -> str:
    """The file alone, where a line or a part of it was named."""
    return _PART.sub(r"\1", _PLACE.sub("", written)).rstrip(_AROUND)


def fault(written: str) -> str | None:
    """What to do about a whole text that is no surface; None when its alternatives must be looked at."""
    if written in {"[]", "{}"}:
        return RELATIVE
    if _COUNTED_OTHERWISE.search(written):
        return "write what is counted with its name and ':', such as port:3000"
    if _ESCAPED_BETWEEN.search(written):
        return _ONE
    return f"write the characters themselves, without '\\' {OR_ANY}" if _ESCAPED.search(written) else None


def fault_of_alternative(alternative: str) -> str | None:
    """What to do about one of the paths that a surface's braces stand for."""
    return next((remedy for found, remedy in _FAULTS if found.search(alternative)), None)


def fault_of_named(namespace: str, value: str) -> str | None:
    """What to do about the name of something that is not in the repository."""
    if _SEVERAL.search(value):
        return _ONE
    if _ODD_RANGE.search(value):
        return "write a range from its first number to its last, such as port:3000-3099"
    if _PATH_AFTER_NAME.search(value) and _COUNTED_NAMESPACE.match(namespace) is None:
        return f"{_ALONE} '{namespace}'"
    return None if value.strip("/ ") else "name it after the ':'"
