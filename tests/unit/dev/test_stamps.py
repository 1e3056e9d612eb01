from pathlib import Path

import pytest
from axon_dev import page, steps
from axon_dev.stamps import Stamp, digest, tree


def test_digest_changes_with_each_part(tmp_path: Path) -> None:
    file = tmp_path / "file"
    missing = digest("a", file)
    file.write_text("1")
    one = digest("a", file)
    file.write_text("2")
    assert len({missing, one, digest("a", file), digest("b", file)}) == 4
    assert digest("ab", "c") != digest("a", "bc")


def test_tree_sees_names_and_contents_but_not_what_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "node_modules" / "deep").mkdir(parents=True)
    (tmp_path / "src" / "a.ts").write_text("1")
    before = digest(*tree(tmp_path, skip=["node_modules"]))
    (tmp_path / "node_modules" / "deep" / "x.js").write_text("1")
    assert digest(*tree(tmp_path, skip=["node_modules"])) == before
    (tmp_path / "src" / "a.ts").rename(tmp_path / "src" / "b.ts")
    renamed = digest(*tree(tmp_path, skip=["node_modules"]))
    (tmp_path / "src" / "b.ts").write_text("2")
    assert len({before, renamed, digest(*tree(tmp_path, skip=["node_modules"]))}) == 3


def test_stamp_matches_only_what_was_finished(tmp_path: Path) -> None:
    stamp = Stamp(tmp_path / "new folder" / "stamp")
    assert not stamp.matches("1")
    stamp.write("1")
    assert stamp.matches("1")
    assert not stamp.matches("2")
    stamp.clear()
    assert not stamp.matches("1")


class Npm:
    """Replaces npm in page.py: records its commands, and creates the file that npm would create."""

    def __init__(self, frontend: Path) -> None:
        self.asked: list[str] = []
        self.frontend = frontend
        self.fails = False

    def __call__(self, title: str, *arguments: str) -> None:
        self.asked.append(arguments[0])
        if self.fails:
            raise KeyboardInterrupt
        made = "node_modules/x" if arguments[0] == "ci" else "dist/index.html"
        (self.frontend / made).parent.mkdir(exist_ok=True)
        (self.frontend / made).touch()


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    for name in ("package.json", "package-lock.json", "main.ts"):
        (tmp_path / name).write_text("{}")
    npm = Npm(tmp_path)
    monkeypatch.setattr(page, "FRONTEND", tmp_path)
    monkeypatch.setattr(page, "PAGE", tmp_path / "dist")
    monkeypatch.setattr(page, "STATE", tmp_path / "node_modules" / "state")
    monkeypatch.setattr(page, "_run", npm)
    return npm


def test_the_page_is_built_once(npm: Npm) -> None:
    page.build()
    page.build()
    assert npm.asked == ["ci", "run"]


def test_a_changed_source_builds_without_installing(npm: Npm) -> None:
    page.build()
    (npm.frontend / "main.ts").write_text("changed")
    page.build()
    assert npm.asked == ["ci", "run", "run"]


def test_a_changed_lock_installs_too(npm: Npm) -> None:
    page.build()
    (npm.frontend / "package-lock.json").write_text("changed")
    page.build()
    assert npm.asked == ["ci", "run"] * 2


def test_a_page_that_was_removed_is_built_again(npm: Npm) -> None:
    page.build()
    (npm.frontend / "dist" / "index.html").unlink()
    page.build()
    assert npm.asked == ["ci", "run", "run"]


def test_an_interrupted_install_is_done_again(npm: Npm) -> None:
    npm.fails = True
    with pytest.raises(KeyboardInterrupt):
        page.build()
    npm.fails = False
    page.build()
    assert npm.asked == ["ci", "ci", "run"]


def test_a_failed_step_shows_its_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(steps, "STATE", tmp_path)
    monkeypatch.setattr(steps, "ROOT", tmp_path)
    with pytest.raises(steps.StepFailed) as failure:
        steps.run_step("Some step", ["sh", "-c", "echo out; echo why >&2; exit 3"])
    assert str(failure.value).splitlines() == [
        "Some step failed; the last lines of logs/some-step.log:",
        "    out",
        "    why",
    ]
    assert (tmp_path / "logs" / "some-step.log").read_text() == "out\nwhy\n"
    assert "Some step: failed" in capsys.readouterr().out
