"""Which files a command line has changed."""

import pytest

from kit.shell import COMMAND_LENGTH_MAX, PATHS_MAX, changed_paths

COMMANDS: list[tuple[str, list[str]]] = [
    # edited in place
    ("sed -i s/a/b/ src/a.py", ["src/a.py"]),
    ("sed -i '' 's/a/b/' a.py b.py", ["a.py", "b.py"]),
    ("sed -i.bak -e 's/x/y/' -e 's/z/w/' a.py", ["a.py"]),
    ("sed --in-place s/a/b/ a.py", ["a.py"]),
    ("perl -pi -e 's/a/b/' a.pl", ["a.pl"]),
    ("sed -ri.bak s/a/b/ a.py", ["a.py"]),
    ("ruby -i -ne 'print' a.rb", ["a.rb"]),
    ("perl -Mstrict -Ilib -ne 'print if /a/' a.txt", []),
    ("ruby -rdigest -e 'puts 1' a.txt", []),
    ("sed -n -e '/i/p' -ffind.sed a.py", []),
    ("sed -n 1,5p a.py", []),
    ("grep -i word a.py", []),
    # written
    ("echo x > a.txt", ["a.txt"]),
    ("echo x >>a.txt 2>err.txt", ["a.txt", "err.txt"]),
    ("sed s/a/b/ a.txt > b.txt", ["b.txt"]),
    ("echo hi >| a.txt; make &> b.txt", ["a.txt", "b.txt"]),
    ("make >/dev/null 2>&1", []),
    ("make > make.log; echo $! > make.pid", []),
    ("diff <(sort a) <(sort b) > c.txt", ["c.txt"]),
    ("cat <<< word > a.txt", ["a.txt"]),
    ("cat > a.sql <<'EOF'\nrm b.txt; x > y\nEOF\nrm c.txt", ["a.sql", "c.txt"]),
    ("cat <<-EOF > a.sql\n\t> b\n\tEOF", ["a.sql"]),
    ("echo x | sudo tee -a a.txt b.txt", ["a.txt", "b.txt"]),
    ("echo 'a > b'", []),
    ("ls # > a.txt\ntouch b.txt", ["b.txt"]),
    # moved and removed
    ("git mv a.py b.py", ["a.py", "b.py"]),
    ("git mv a.py lib", ["a.py", "lib/a.py"]),
    ("mv src/a.py src/b.py lib/", ["src/a.py", "src/b.py", "lib/a.py", "lib/b.py"]),
    ("mv src/a.py .", ["src/a.py", "a.py"]),
    ("cp a.py b.py", ["b.py"]),
    ("mv a.py", []),
    ("FOO=1 rm -rf build/a", ["build/a"]),
    ("git restore a.py && git status", ["a.py"]),
    ("git commit -m 'rm a.py'", []),
    ("rm -f -- -a.py b.py", ["-a.py", "b.py"]),
    ("sed -i --expression=s/a/b/ a.py", ["a.py"]),
    ("[[ a > b ]] && touch c", ["c"]),
    ("echo $((1>2)) > c.txt", ["c.txt"]),
    # several commands, and words
    ("if true; then touch a; fi; for i in 1 2; do rm b; done", ["a", "b"]),
    ("touch a \\\n  b", ["a", "b"]),
    ("touch 'a b.py' \"c d\" e\\ f", ["a b.py", "c d", "e f"]),
    ("touch a && touch a", ["a"]),
    # what only the shell can tell
    ("rm $file *.py ~/a `which b` a.py", ["a.py"]),
    ("cd src && touch a.py && touch /repo/b.py", ["/repo/b.py"]),
    # no sense
    ("", []),
    ("FOO=1", []),
    ('touch a; echo "unclosed', ["a"]),
    ("echo x >", []),
]


@pytest.mark.parametrize(("command", "paths"), COMMANDS)
def test_the_words_of_a_command_tell_what_it_has_changed(command: str, paths: list[str]) -> None:
    assert changed_paths(command) == paths


def test_a_long_command_is_passed_over_and_a_long_text_in_it_is_not() -> None:
    assert changed_paths("touch " + "a" * COMMAND_LENGTH_MAX) == []
    text = "line\n" * COMMAND_LENGTH_MAX
    assert changed_paths(f"cat > a.txt <<EOF\n{text}EOF") == ["a.txt"]
    many = " ".join(f"f{count}" for count in range(2 * PATHS_MAX))
    assert len(changed_paths(f"touch {many}")) == PATHS_MAX
