from pathlib import Path

import pytest
from axon_dev import environment, needs, torch
from axon_dev.paths import PACKAGES, ROOT


def written(folder: Path, *packages: str) -> dict[str, list[str]]:
    assert needs.main([str(folder), *packages]) == 0
    return {path.stem: path.read_text().splitlines() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("asked", "lines"),
    [
        ("", (f"--extra-index-url={torch.CPU_INDEX}", f"torch=={torch.locked()}+cpu")),
        ("cuda", (f"torch=={torch.locked()}",)),
    ],
)
def test_the_build_of_torch_is_the_one_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, lines: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TORCH", asked)
    assert written(tmp_path, "inference")["torch"] == [*lines]


def test_an_unknown_build_of_torch_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH", "rocm")
    assert needs.main([str(tmp_path), "inference"]) == 1
    assert capsys.readouterr().err.startswith("axon: TORCH=rocm is not a build of torch")


def test_an_image_gets_only_what_its_packages_need_to_run(tmp_path: Path) -> None:
    found = written(tmp_path, "proto", "gateway")["packages"]
    assert {need.split(">")[0] for need in found} >= {"grpcio", "aiohttp"}
    assert not [need for need in found if need.startswith(("axon-", "grpcio-tools", "hatchling"))]


def test_every_requirement_to_run_is_pinned(tmp_path: Path) -> None:
    names = {pin.split("==")[0] for pin in written(tmp_path, "inference")["constraints"]}
    assert all("==" in pin for pin in written(tmp_path, "inference")["constraints"])
    for package in PACKAGES:
        for need in environment.to_run(package):
            assert need.split(">")[0].split("=")[0].split(";")[0].strip() in names


def test_dockerfiles_name_their_own_packages() -> None:
    for service in ("inference", "gateway"):
        text = (ROOT / service / "Dockerfile").read_text()
        assert f"axon_dev.needs /needs proto {service}\n" in text
