"""The command line: verbs, options, what they print, and how they fail. Each command runs in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mesh
from mesh.cli import main
from mesh.config import load
from tests.config.boot import bootstrap


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "envoy.json"
    path.write_text(json.dumps(bootstrap()))
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text("nod: {id: a}\nadmin: {adress: {}}\n")
    return path


BAD_LINES = [
    "{}:1: nod: no such field of Bootstrap; did you mean 'node'?",
    "{}:2: admin.adress: no such field of Admin; did you mean 'address'?",
]


@pytest.mark.parametrize("arguments", [["validate", "{}"], ["serve", "--mode", "validate", "-c", "{}"]])
def test_a_good_file_is_ok(arguments: list[str], good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *(argument.format(good) for argument in arguments))
    assert (code, out, err) == (0, f"configuration '{good}' OK\n", "")


@pytest.mark.parametrize(
    "arguments",
    [["validate", "{}"], ["serve", "--mode", "validate", "-c", "{}"], ["serve", "-c", "{}"], ["convert", "{}"]],
)
def test_a_bad_file_is_one_line_per_problem(
    arguments: list[str], bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *(argument.format(bad) for argument in arguments))
    assert (code, out) == (1, "")
    assert err.splitlines() == [f"error: {line.format(bad)}" for line in BAD_LINES]


@pytest.mark.parametrize("arguments", [["validate", "{}"], ["serve", "--mode", "validate", "-c", "{}"], ["serve", "-c", "{}"]])
@pytest.mark.parametrize(
    ("class_path", "said"),
    [
        ("no_such_package:Filter", "cannot import no_such_package:Filter: No module named 'no_such_package'"),
        ("mesh.cli:NoSuch", "cannot import mesh.cli:NoSuch: module 'mesh.cli' has no attribute 'NoSuch'"),
        ("filter_with_a_typo:Filter", "cannot import filter_with_a_typo:Filter: SyntaxError: invalid syntax (filter_with_a"),
        ("mesh.cli:Verbs", "mesh.cli:Verbs is not a subclass of mesh.Filter"),
        ("filter_that_refuses:Filter", "filter_that_refuses:Filter refused its config: KeyError: 'limit'"),
    ],
)
def test_a_filter_that_cannot_be_made_is_one_line(
    arguments: list[str], class_path: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "filter_with_a_typo.py").write_text("import +")
    (tmp_path / "filter_that_refuses.py").write_text(
        "import mesh\nclass Filter(mesh.Filter):\n  def __init__(self, config):\n    config['limit']\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "mesh.yaml"
    path.write_text(f"listen: 127.0.0.1:0\nroutes: [{{match: /, reply: 200}}]\nfilters: [{{python: '{class_path}', name: mine}}]\n")
    code, out, err = run(capsys, *(argument.format(path) for argument in arguments))
    assert (code, out) == (1, "")
    assert err.startswith(f"error: HTTP filter 'mine': {said}") and err.count("\n") == 1


def test_several_files_are_all_checked(good: Path, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "validate", bad, good)
    assert (code, out) == (1, f"configuration '{good}' OK\n")
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("form", ["yaml", "json", "pb", "pb_text"])
def test_convert_writes_what_loads_again(
    form: str, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / f"out.{form}"
    assert run(capsys, "convert", good, "--to", form, "-o", target) == (0, "", "")
    assert load(target).plan == load(good).plan


def test_convert_prints_the_bootstrap_of_a_short_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text("listen: 127.0.0.1:0\nroutes: {match: /, to: 127.0.0.1:9000}\n")
    code, out, _ = run(capsys, "convert", path)
    assert code == 0 and out.startswith("static_resources:\n")
    again = tmp_path / "envoy.yaml"
    again.write_text(out)
    assert load(again).plan == load(path).plan


def test_convert_says_when_it_cannot_write(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "convert", good, "-o", tmp_path / "no" / "where")
    assert (code, err) == (1, f"error: {tmp_path}/no/where: cannot be written: No such file or directory\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["serve"], "give a configuration: -c FILE (or --config-yaml YAML)"),
        (["serv", "-c", "x"], "no such command 'serv'; one of serve, validate, explain, convert; did you mean 'serve'?"),
        (["serve", "--base-id", "3"], "--base-id is an option of Envoy that mesh does not implement; remove it"),
        (["serve", "--base-id=3"], "--base-id is an option of Envoy that mesh does not implement; remove it"),
        (["serve", "--nonsense"], "No such option '--nonsense'"),
        (["serve", "-c", "x", "--concurrency", "0"], "Invalid value for '--concurrency'"),
        (["serve", "-c", "x", "-l", "loud"], "Invalid value for '-l' / '--log-level': 'loud' is not one of 'trace'"),
        (["serve", "-c", "/none.yaml"], "/none.yaml: cannot be read: No such file or directory"),
        (["validate"], "Missing argument"),
        (["convert", "/none.yaml"], "/none.yaml: cannot be read: No such file or directory"),
    ],
)
def test_a_wrong_command_is_one_line_and_no_traceback(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {text}") and "Traceback" not in err and err.count("\n") == 1


def test_an_overlay_alone_is_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "serve", "--mode", "validate", "--config-yaml", "node: {id: a}")
    assert (code, out, err) == (0, "configuration '--config-yaml' OK\n", "")


def test_without_a_verb_the_verbs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"]):
        code, out, err = run(capsys, *arguments)
        assert (code, err) == (0, "")
        assert all(verb in out for verb in ("serve", "validate", "convert"))


@pytest.mark.parametrize("verb", ["serve", "validate", "convert"])
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, verb, "--help")
    assert (code, err) == (0, "") and "Usage: mesh" in out


def test_the_version_is_told_without_an_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"mesh, version {mesh.__version__}\n", "")
