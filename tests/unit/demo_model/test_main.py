"""What the command line of the recipe refuses."""

import pytest
from demo_model.__main__ import main


def test_quick_needs_a_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo_model", "--quick"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "overwrite" in capsys.readouterr().err
