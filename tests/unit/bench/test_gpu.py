"""The GPU benchmark: a rehearsal of all of it on the CPU, and what only a GPU does."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from axon_inference.step.graphs import CudaCapture

from tests.bench.gpu import __main__ as program
from tests.bench.gpu import measure, picture, timeline
from tests.bench.gpu.case import TINY, Case, capturing

from ...fake_cuda import FakeCuda


@pytest.mark.nightly
@pytest.mark.timeout(400)
def test_a_rehearsal_measures_everything(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = program.main(["--rehearse", "--out", str(tmp_path), "--minutes", "6"])
    output = capfd.readouterr()
    results = json.loads((tmp_path / "gpu.json").read_text())
    [case] = results["cases"].values()
    assert case["failed"] == {}, output.err
    assert code == 0
    assert case["found"].keys() == {part.__name__ for part in measure.PARTS}
    found = case["found"]
    assert found["graphs"]["difference_by_rows"].keys() == {"1", "2", "4"}
    assert found["parity"]["tokens_equal"] == 1
    for part in ("tokens_per_s", "tokens_per_s_sampled", "grpc"):
        assert found[part].keys() == {"1", "2", "4"}
        assert all(rate["value"] > 0 for rate in found[part].values())
    ElementTree.fromstring((tmp_path / "gpu.svg").read_text())
    last = json.loads(output.out.splitlines()[-1])
    assert last["cases"][TINY.name]["found"]["parity"] == found["parity"]


def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert program.main(["--out", str(tmp_path / "out")]) == program.NO_GPU
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("axon: nothing was measured: torch ")
    assert not (tmp_path / "out").exists()


def test_a_part_that_fails_is_named_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = measure.Record(tmp_path / "case.json")
    record.take("first", lambda: [][1])
    record.take("second", lambda: 2)
    assert json.loads((tmp_path / "case.json").read_text()) == {
        "found": {"second": 2},
        "failed": {"first": "IndexError: list index out of range"},
    }
    assert "first (0.0 s): FAILED: IndexError" in capsys.readouterr().out


def failing_to_capture(monkeypatch: pytest.MonkeyPatch, error: Exception) -> measure.Bench:
    def refuse(compute: Any) -> Any:
        raise error

    monkeypatch.setattr("tests.bench.gpu.case.rerun", refuse)
    return measure.Bench(TINY)


def test_without_graphs_all_else_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = failing_to_capture(monkeypatch, ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        bench.graphs()
    assert bench.runs.runner._graphs is None
    assert bench.parity()["tokens_equal"] == 1
    with pytest.raises(RuntimeError, match="no captured steps"):
        bench.graph_vs_eager()


def test_rows_that_could_not_be_captured_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = failing_to_capture(monkeypatch, RuntimeError("not permitted"))
    with pytest.raises(measure.Differs, match=r"no graph for \[1, 2, 4\] rows"):
        bench.graphs()


def test_wrong_features_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = measure.Bench(replace(TINY, streams=(1,), new=4))
    with bench.runs.runner.working():
        bench.runs.runner.warm_up()
    monkeypatch.setattr(measure, "encode", lambda sae, vectors: vectors.new_ones(len(vectors), 256))
    with pytest.raises(measure.Differs, match="allowed is"):
        bench.parity()


def test_a_process_that_hangs_or_dies_leaves_what_it_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "process.sh"
    right = subprocess.Popen

    def start(command: list[str], **more: Any) -> Any:
        return right(["sh", str(script), command[-1]], **more)

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(program, "_LEAST_SECONDS", 0)
    found = """echo '{"found": {"a": 1}, "failed": {}}' > $1; """
    for more, why in (("exit 7", "ended with 7"), ("sleep 60", "more than its 1 s")):
        script.write_text(found + more)
        case = program._measured("{}", tmp_path, 1)
        assert case["found"] == {"a": 1}
        assert why in case["failed"]["the rest"]


def test_no_case_is_started_in_the_last_seconds(tmp_path: Path) -> None:
    assert program._measured("{}", tmp_path, 3)["failed"] == {"all of it": "no time was left"}


def event(cat: str, name: str, ts: float, dur: float) -> dict[str, Any]:
    return {"cat": cat, "name": name, "ts": ts, "dur": dur}


def test_a_timeline_has_kernels_copies_and_gaps() -> None:
    steps = [event("user_annotation", "axon step", 100 * n, 60) for n in range(3)]
    steps += [event("gpu_user_annotation", "axon step", 133, 50)]
    trace = [
        event("kernel", "before", 90, 9),
        event("gpu_memcpy", "Memcpy HtoD", 110, 5),
        event("kernel", "gemm", 120, 10),
        event("kernel", "gemm", 125, 10),  # on another stream
        event("cpu_op", "aten::mm", 101, 99),
        event("kernel", "after", 200, 3),
    ]
    found = timeline.read([*steps, *trace, {"ph": "M"}], ("kernel", "gpu_memcpy", "gpu_memset"))
    assert found["step_us"] == 100
    assert found["busy_us"] == 20
    assert found["gaps_us"] == 80
    assert found["longest_gap_us"] == 65
    assert (found["kernels"], found["copies"], found["copies_us"]) == (2, 1, 5)
    assert found["longest"][0] == {"name": "gemm", "calls": 2, "us": 20}
    with pytest.raises(ValueError, match="no steps"):
        timeline.read(trace, ("kernel",))
    with pytest.raises(ValueError, match="nothing that ran"):
        timeline.read(steps, ("kernel",))


def test_the_picture_of_partial_results_is_drawn() -> None:
    results = {
        "machine": {"torch": "2", "commit": "c", "date": "d", "gpu": "A <GPU>", "rehearsal": False},
        "cases": {"tf32, 1 source": {"found": {}, "failed": {"graphs": "X & Y"}}},
    }
    drawn = ElementTree.fromstring(picture.draw(results))
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "Axon on A <GPU>" in texts
    assert "tf32, 1 source: graphs: X & Y" in texts


def test_on_a_gpu_its_own_calls_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    assert isinstance(capturing(torch.device("cuda:1")), CudaCapture)
    bench = measure.Bench(replace(TINY, device="cuda:1"))
    bench._wait()
    assert cuda.calls[-1] == ("synchronize", 1)
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda _: {"allocated_bytes.all.peak": 3e6})
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (5_000_000, 9_000_000))
    tiny = measure.Bench(TINY)
    monkeypatch.setattr(measure.Bench, "subject", tiny.subject)
    monkeypatch.setattr(measure.Bench, "runs", tiny.runs)
    found = bench.memory_mb()
    assert (found["allocated_most"], found["used_of_device"]) == (3, 4)


def test_a_case_survives_the_way_to_another_process() -> None:
    for case in (TINY, *(Case(dtype, n) for dtype, n in program.CASES)):
        assert Case.of_text(case.text()) == case
    assert {dtype for dtype, _ in program.CASES} == measure.TOLERANCES.keys()
