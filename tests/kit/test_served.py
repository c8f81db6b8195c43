"""The kit as a running server hands it out, and the one line that installs it."""

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

from kit.bundle import compiled, launcher, program
from kit.rules import repository_rules
from tests.kit.scratch import HOOK, KIT, Identity, WorkTree, repository
from tests.web.bus import Bus
from tests.web.command_line import llm_bus


async def test_it_is_plain_text_that_may_be_kept_for_a_while(bus: Bus) -> None:
    response = await bus.http.get("/kit/install.sh")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=300"
    again = await bus.http.get("/kit/install.sh", headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for tag, status in (("*", 200), ('"other"', 412)):
        assert (await bus.http.get("/kit/install.sh", headers={"If-Match": tag})).status_code == status


async def test_the_blocks_are_there_to_be_pasted(bus: Bus) -> None:
    assert (await bus.http.get("/kit/member.md")).text == repository_rules(lead=False)
    assert (await bus.http.get("/kit/lead.md")).text == repository_rules(lead=True)


async def test_nothing_else_is_handed_out(bus: Bus) -> None:
    for name in ("", "py.typed", "../web/server.py", "%2e%2e/web/server.py", "instructions", "wiki/nothing.md"):
        assert (await bus.http.get(f"/kit/{name}")).status_code == 404


async def test_one_line_installs_it_with_nothing_there(bus: Bus, tmp_path: Path, old_python: str) -> None:
    tree = await repository(tmp_path / "shop", Identity(bus.url, None))
    tree.write("kit/edits.py", "raise SystemExit('the kit of the repository, not ours')")
    tree.write("json.py", "raise SystemExit('the json of the repository, not Python's')")
    before = tree.tree()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(old_python)
    line = f"curl -fsS {bus.url}/kit/install.sh | PATH={tmp_path}/bin:$PATH sh"
    ran = await tree.run("sh", "-ec", f"{line} -s -- --with-wiki")
    assert (ran.code, ran.err) == (0, "")
    assert "created .git/hooks/pre-commit\n" in ran.out
    assert "created docs/wiki/index.md\n" in ran.out
    assert json.loads((tree.path / "llm-bus.config.json").read_text())["endpoint"] == f"{bus.url}/mcp"
    assert sources_in(tree.path / ".git/llm-bus/kit.pyz") == sources_in(HOOK)
    assert (await tree.run("sh", "-ec", line)).out == "nothing to change\n"
    ran = await tree.run("sh", "-ec", f"{line} -s -- --uninstall")
    assert "removed AGENTS.md\n" in ran.out
    assert tree.tree() == before


async def test_a_server_that_is_not_there_is_an_error(bus: Bus, tmp_path: Path) -> None:
    tree = await repository(tmp_path / "shop", Identity(bus.url, None))
    before = tree.tree()
    ran = await tree.run("sh", "-c", f"curl -fsS {bus.url}/kit/install.sh | LLM_BUS_SERVER=http://127.0.0.1:1 sh")
    assert ran.code != 0
    assert tree.tree() == before


@pytest.mark.parametrize("last", ['python3 -I "$place/kit.pyz"', "</dev/null", "}"])
async def test_an_installer_that_arrives_in_part_does_nothing(bus: Bus, tmp_path: Path, last: str) -> None:
    tree = await repository(tmp_path / "shop", Identity(bus.url, None))
    before = tree.tree()
    script = (await bus.http.get("/kit/install.sh")).text
    ran = await tree.run("sh", stdin=(script[: script.rindex(last)] + last).encode())
    assert ran.out == ""
    assert tree.tree() == before


async def test_the_command_installs_the_same(bus: Bus, tmp_path: Path) -> None:
    tree = await repository(tmp_path / "shop", Identity(bus.url, None))
    before = tree.tree()
    ran = llm_bus("kit", "install", tree.path, "--server", f"{bus.url}/mcp", "--with-wiki")
    assert (ran.returncode, "created docs/wiki/log.md" in ran.stdout) == (0, True)
    assert json.loads((tree.path / "llm-bus.config.json").read_text())["endpoint"] == f"{bus.url}/mcp"
    again = llm_bus("kit", "install", tree.path, "--json")  # where the bus is stays as it was chosen
    assert json.loads(again.stdout) == {"changes": [], "problems": []}
    assert llm_bus("kit", "install", tree.path, "--uninstall").returncode == 0
    assert tree.tree() == before


def test_calling_it_wrongly_is_one_sentence(tmp_path: Path) -> None:
    for wrong in (["kit", "install", str(tmp_path / "nowhere")], ["kit", "install", "--server", "localhost"]):
        ran = llm_bus(*wrong)
        assert (ran.returncode, ran.stdout, len(ran.stderr.splitlines())) == (2, "", 1)


async def test_the_script_and_the_program_can_be_checked(bus: Bus, tmp_path: Path) -> None:
    for name in ("install.sh", "kit.pyz"):
        (tmp_path / name).write_bytes((await bus.http.get(f"/kit/{name}")).content)
        (tmp_path / f"{name}.sha256").write_bytes((await bus.http.get(f"/kit/{name}.sha256")).content)
        tree = WorkTree(tmp_path, Identity(bus.url, None))
        assert (await tree.run("sha256sum", "--check", f"{name}.sha256")).out == f"{name}: OK\n"


async def test_a_program_that_is_not_the_scripts_is_not_run(bus: Bus, tmp_path: Path) -> None:
    tree = await repository(tmp_path / "shop", Identity(bus.url, None))
    before = tree.tree()
    script = (await bus.http.get("/kit/install.sh")).text
    ran = await tree.run("sh", stdin=script.replace(sha256(HOOK.read_bytes()).hexdigest(), "0" * 64).encode())
    assert (ran.code, ran.out) == (1, "")
    assert "not the one that this script belongs to; nothing was done" in ran.err
    assert tree.tree() == before


def sources_in(archive: Path) -> dict[str, bytes]:
    with ZipFile(archive) as packed:
        return {name: packed.read(name) for name in packed.namelist() if not name.endswith(".pyc")}


@pytest.mark.parametrize("missing", ["python3", "git"])
async def test_a_program_that_the_installer_needs_is_named(bus: Bus, tmp_path: Path, missing: str) -> None:
    tree = await repository(tmp_path / "shop", Identity(bus.url, None))
    (tmp_path / "bin").mkdir()
    for name in {"sh", "curl", "git", "python3"} - {missing}:
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    script = (await bus.http.get("/kit/install.sh")).content
    ran = await tree.run("sh", stdin=script, environment={"PATH": str(tmp_path / "bin")})
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"install.sh: {missing} is not on your PATH, and this needs it; nothing was done\n"


async def test_without_git_the_program_says_so(tmp_path: Path) -> None:
    tree = WorkTree(tmp_path, Identity("", None))
    ran = await tree.run(sys.executable, HOOK, "install", environment={"PATH": str(tmp_path)})
    assert (ran.code, ran.err) == (1, "install: git is not on your PATH\n")


def test_the_program_is_the_same_every_time() -> None:
    assert program.__wrapped__() == program()
    assert sources_in(HOOK)["kit/hook.py"] == (KIT / "hook.py").read_bytes()


def test_what_is_compiled_is_the_same_whatever_the_process_did_before() -> None:
    says = "from hashlib import sha256; from kit.bundle import compiled; print(sha256(compiled()).hexdigest())"
    before = ("pass", "import sys; kept = [sys.intern(chr(number)) for number in range(256)]", "import web.cli.entry")
    ran = [
        subprocess.run([sys.executable, "-c", f"{first}; {says}"], cwd=KIT.parent, capture_output=True, check=True)
        for first in before
    ]
    assert len({each.stdout for each in ran}) == 1


def test_what_is_compiled_runs_and_any_other_python_reads_the_sources(tmp_path: Path, old_python: str) -> None:
    installed = tmp_path / "kit.pyz"
    installed.write_bytes(compiled())
    says = "import sys; sys.path.insert(0, sys.argv[1]); import kit.hook as h; print(h.__cached__ or '', h.__file__)"
    for python, ending in ((sys.executable, "kit/hook.pyc"), (old_python, "kit/hook.py")):
        ran = subprocess.run([python, "-I", "-S", "-c", says, installed], capture_output=True, check=True, text=True)
        assert ran.stdout.strip().endswith(ending)


def test_an_interpreter_that_is_gone_is_replaced(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text(launcher().replace(os.path.realpath(sys.executable), "/gone/python3"))
    command = ["sh", str(script), "-I", "-S", "-c", "print(7)"]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == "7\n"
    ran = subprocess.run(
        ["/bin/sh", *command[1:]], capture_output=True, check=True, text=True, env={"PATH": str(tmp_path / "empty")}
    )
    assert (ran.stdout, ran.stderr) == ("", "")
