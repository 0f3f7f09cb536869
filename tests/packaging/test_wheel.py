"""The wheel, built and installed into an empty environment, from another folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel and what it depends on, and nothing else."""

    wheel: Path
    programs: Path
    elsewhere: Path

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("TINYLLM_", "OLLAMA_", "PYTHON", "VIRTUAL_ENV"))
        }
        home = str(self.elsewhere)
        own = {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home, "OLLAMA_HOST": "http://127.0.0.1:9"}
        return subprocess.run(
            [self.programs / "tinyllm-tui", *arguments],
            cwd=self.elsewhere,
            env=kept | own,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def uv(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("uv")
    if program is None:
        pytest.skip("uv is not installed")
    return subprocess.run([program, *arguments], capture_output=True, text=True, cwd="/", timeout=600, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    place = tmp_path_factory.mktemp("wheel")
    made = uv("venv", "--quiet", place / "venv")
    assert made.returncode == 0, made.stderr
    python = place / "venv" / "bin" / "python"
    probe = uv("pip", "install", "--quiet", "--python", python, "--target", place / "probe", "hatchling")
    if probe.returncode != 0:
        pytest.skip(f"no package registry: {probe.stderr.strip()[-200:]}")
    built = uv("build", "--quiet", "--wheel", "--out-dir", place / "dist", ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = (place / "dist").glob("*.whl")
    put = uv("pip", "install", "--quiet", "--python", python, wheel)
    assert put.returncode == 0, put.stderr
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    return Installed(wheel, python.parent, elsewhere)


def test_the_wheel_carries_graphs_themes_and_types_and_no_tests(installed: Installed) -> None:
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    for folder, inside in (("graphs", "engine/_shipped/graphs"), ("themes", "tinyllm_tui/_shipped/themes")):
        for file in (ROOT / folder).glob("*.yaml"):
            assert f"{inside}/{file.name}" in names
    assert {"engine/py.typed", "tinyllm_tui/py.typed"} <= names
    for file in (*(ROOT / "tinyllm_tui").rglob("*.tcss"), *(ROOT / "tinyllm_tui" / "serve" / "page").iterdir()):
        assert str(file.relative_to(ROOT)) in names
    assert not [name for name in names if name.startswith(("tests/", "graphs/", "themes/"))]


def test_the_doctor_names_the_missing_model_and_the_remedy(installed: Installed) -> None:
    done = installed.call("doctor")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert "backend" in line
    assert "xllamacpp" in done.stdout
    assert "remedy: Install Ollama" in done.stdout


def test_graphs_and_themes_are_found_from_the_wheel(installed: Installed) -> None:
    listed = installed.call("graph", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    rows = json.loads(listed.stdout)
    assert {row["name"] for row in rows} >= {"multi_domain", "quick"}
    assert all(row["error"] is None and "_shipped" in row["file"] for row in rows)
    assert installed.call("graph", "show", "multi_domain").returncode == 0
    checks = {check["name"]: check for check in json.loads(installed.call("doctor", "--json").stdout)["checks"]}
    assert checks["theme"]["status"] == "ok"


def test_a_run_without_a_model_is_one_clear_message(installed: Installed) -> None:
    done = installed.call("run", "hi")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: No model can answer.")
    assert "Remedy: Install Ollama" in done.stderr


def test_init_and_version_work(installed: Installed) -> None:
    assert installed.call("--version").stdout.startswith("tinyllm-tui ")
    done = installed.call("init")
    assert done.returncode == 0, done.stderr
    assert (installed.elsewhere / "tinyllm-tui" / "config.yaml").is_file()


def test_serving_names_the_package_that_it_needs(installed: Installed) -> None:
    done = installed.call("serve")
    assert done.returncode == 1
    assert "pip install textual-serve" in done.stderr
    assert "Traceback" not in done.stderr
